/** `iotdh audit …`. */
import { Command } from 'commander';
import type { ExportOptions, ListOptions, VerifyOptions } from '../commands/audit.ts';
import { positive, type Tree, withFleet } from './client.ts';

export function auditCommand(tree: Tree): Command {
  const audit = new Command('audit').description('list, export and verify who agreed to what');

  audit
    .command('list')
    .description('Lists what people decided about updates, the last first.')
    .option('--device <device>', 'at this device')
    .option('--limit <number>', 'at most so many', positive, 1_000)
    .addHelpText('after', '\nExample:\n  $ iotdh audit list --device ws-0001')
    .action((options: ListOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/audit.ts')).listConsents(context, options),
      ),
    );

  audit
    .command('export')
    .description('Writes every decision with its evidence, and every applied update, as lines of JSON.')
    .requiredOption('--out <file>', 'a file that is not there yet')
    .option('--device <device>', 'of this device alone')
    .addHelpText('after', '\nExample:\n  $ iotdh audit export --out trail.jsonl')
    .action((options: ExportOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/audit.ts')).exportTrail(context, options),
      ),
    );

  audit
    .command('verify')
    .argument('<file>', 'an exported trail')
    .summary('verify an exported trail, without a network')
    .description(
      'Verifies an exported trail without a network: every signature and certificate, that no decision is missing, and ' +
        'that every applied update was confirmed. Exits with 1 when anything is wrong, and says which record.',
    )
    .option('--root <file...>', 'certificates, in PEM, of the authorities whose devices are trusted')
    .option('--device-key <device=sha256...>', 'the key of a device that has no certificate')
    .addHelpText('after', '\nExample:\n  $ iotdh audit verify trail.jsonl --root devices-root.pem')
    .action(async (file: string, _options: unknown, command: Command) =>
      tree.setExitCode(
        await (await import('../commands/audit.ts')).verify(
          tree.terminal,
          file,
          command.optsWithGlobals<VerifyOptions>(),
        ),
      ),
    );

  return audit;
}
