/** `iotdh keys …`. */
import { Command } from 'commander';
import type { GlobalOptions } from '../commands/context.ts';
import type { InitOptions, ShowOptions } from '../commands/keys.ts';
import type { RotateOptions } from '../commands/keys-rotate.ts';
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
    .command('rotate')
    .argument('<folder>', 'where the new keys and the new root wait for signatures; best on a stick')
    .description(
      'Makes the root that follows, or adds one person’s signatures to it. It is handed in once as many have signed as the root before and itself ask for.',
    )
    .requiredOption('--root <file>', 'the root that is trusted here, from which the others must descend')
    .option('--key <file...>', 'key files to sign with, or folders of them')
    .option('--remove <key-id...>', 'keys that no longer count, by the beginning of their id')
    .option('--new-root <number>', 'new keys of the root, made in the folder', positive)
    .option('--new-targets <number>', 'new keys that sign packs, made in the folder', positive)
    .option('--root-threshold <number>', 'how many must sign the next root', positive)
    .option('--targets-threshold <number>', 'how many must sign each pack', positive)
    .option('--online', 'take over the keys that the fleet itself signs with now')
    .option('--renew', 'change nothing but when the root ends')
    .option('--type <type>', 'of new keys: ecdsa-p384 or ed25519', 'ecdsa-p384')
    .option('--passphrase-file <file>', 'file with the passphrase of the keys (default: it is asked for)')
    .option('--no-encrypt', 'leave new key files without a passphrase')
    .option('--offline', 'sign after what the folder says, without a fleet')
    .option('--yes', 'sign without a question')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh keys rotate /media/stick/rotation --root 1.root.json --key root-1.pem --remove 3f09a1c2 --new-targets 1' +
        '\n  $ iotdh keys rotate /media/stick/rotation --root 1.root.json --key root-2.pem',
    )
    .action(async (folder: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RotateOptions & GlobalOptions>();
      const { rotateKeys } = await import('../commands/keys-rotate.ts');
      const { openContext } = await import('../commands/context.ts');
      const trust = async () => (await openContext(options, tree.terminal)).fleet.trust;
      await rotateKeys(tree.terminal, folder, options, trust);
    });

  keys
    .command('show')
    .argument('<file...>', 'key files, or folders of them')
    .description('Shows which keys are in files, by the ids that keys list and rotate name. Needs no fleet.')
    .option('--passphrase-file <file>', 'file with the passphrase of the keys (default: it is asked for)')
    .addHelpText('after', '\nExample:\n  $ iotdh keys show /media/stick/targets-1.pem')
    .action(async (files: string[], _options: unknown, command: Command) => {
      const { showKeys } = await import('../commands/keys.ts');
      await showKeys(tree.terminal, files, command.optsWithGlobals<ShowOptions & GlobalOptions>());
    });

  keys
    .command('list')
    .description('Lists the keys that the newest root names, and how many of each role must sign.')
    .addHelpText('after', '\nExample:\n  $ iotdh keys list')
    .action((_options: unknown, command: Command) =>
      withFleet(tree, command, async (context) => (await import('../commands/keys.ts')).listKeys(context)),
    );
  return keys;
}
