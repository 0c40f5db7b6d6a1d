/** `iotdh keys …`. */
import { Command } from 'commander';
import type { InitOptions } from '../commands/keys.ts';
import { positive, type Tree, withFleet } from './client.ts';

export function keysCommand(tree: Tree): Command {
  const keys = new Command('keys').description('make the keys that sign packs, and see whose are trusted');

  keys
    .command('init')
    .argument('<folder>', 'where the keys go; best on a stick')
    .description('Makes keys and the first root, and hands the root in. A fleet has it done once.')
    .option('--root-keys <number>', 'keys of the root', positive, 1)
    .option('--root-threshold <number>', 'how many of them must sign', positive, 1)
    .option('--targets-keys <number>', 'keys that sign packs', positive, 1)
    .option('--targets-threshold <number>', 'how many of them must sign each pack', positive, 1)
    .option('--type <type>', 'ecdsa-p384 or ed25519', 'ecdsa-p384')
    .option('--passphrase-file <file>', 'file with the passphrase of the keys (default: it is asked for)')
    .option('--no-encrypt', 'leave the key files without a passphrase')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh keys init /media/stick/keys --targets-keys 2 --targets-threshold 2',
    )
    .action((folder: string, options: InitOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/keys.ts')).initKeys(context, folder, options),
      ),
    );

  keys
    .command('list')
    .description('Lists the keys that the newest root names, and how many of each role must sign.')
    .addHelpText('after', '\nExample:\n  $ iotdh keys list')
    .action((_options: unknown, command: Command) =>
      withFleet(tree, command, async (context) => (await import('../commands/keys.ts')).listKeys(context)),
    );
  return keys;
}
