/** `iotdh pack …`. */
import { Command, InvalidArgumentError } from 'commander';
import type { GlobalOptions } from '../commands/context.ts';
import type { ListOptions, UploadOptions } from '../commands/pack.ts';
import type { ExportCommandOptions } from '../commands/pack-export.ts';
import type { BuildCommandOptions } from '../commands/pack-files.ts';
import type { RenewOptions } from '../commands/pack-renew.ts';
import type { SignOptions } from '../commands/sign.ts';
import type { VerifyOptions } from '../commands/verify.ts';
import { positive, type Tree, withFleet } from './client.ts';

const maxLevel = 19;

function level(text: string): number {
  const value = positive(text);
  if (value > maxLevel) throw new InvalidArgumentError(`It is at most ${maxLevel}.`);
  return value;
}

export function packCommand(tree: Tree): Command {
  const { terminal } = tree;
  const pack = new Command('pack').description('build, upload, list and yank service packs');

  pack
    .command('build')
    .argument('<pack.yaml>', 'the description')
    .description(
      'Builds a pack from a description: the manifest, and its objects. The same input makes the same bytes.',
    )
    .option('--out <folder>', 'where the pack goes (default: NAME-VERSION in the current folder)')
    .option('--earlier <folder...>', 'earlier packs whose objects are taken over where they still serve')
    .option('--level <1-19>', 'of Zstandard', level, 9)
    .option(
      '--time <instant>',
      'create_time where the description has none (SOURCE_DATE_EPOCH; default: now)',
    )
    .option('--no-chunks', 'large files whole only, not as chunks too')
    .option('--force', 'replace a pack that is there')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh pack build pack.yaml --out build/carto-8.2.1 --earlier build/carto-8.2.0',
    )
    .action(async (description: string, _options: unknown, command: Command) =>
      (await import('../commands/pack-files.ts')).build(
        terminal,
        description,
        command.optsWithGlobals<BuildCommandOptions>(),
      ),
    );

  pack
    .command('inspect')
    .argument('<pack>', 'the folder of a pack, or a manifest')
    .description('Shows what a pack on this machine consists of.')
    .addHelpText('after', '\nExample:\n  $ iotdh pack inspect carto-8.2.1 -o json')
    .action(async (path: string, _options: unknown, command: Command) =>
      (await import('../commands/pack-files.ts')).inspect(
        terminal,
        path,
        command.optsWithGlobals<GlobalOptions>().output,
      ),
    );

  pack
    .command('sign')
    .argument('<folder>', 'the folder of a pack')
    .description(
      'Shows what a signature adds and removes, and adds that of one key. The pack can be published once as many have signed as the root asks for.',
    )
    .requiredOption('--key <file>', 'a key file, or a folder of them')
    .option('--passphrase-file <file>', 'file with the passphrase of the key (default: it is asked for)')
    .requiredOption('--root <file>', 'the root that is trusted here, from which the others must descend')
    .option('--offline', 'sign after what the metadata/ of the pack says, without a fleet')
    .option('--yes', 'sign without a question')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh pack sign carto-8.2.1 --key /media/stick/targets-1.pem --root 1.root.json',
    )
    .action(async (folder: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SignOptions & GlobalOptions>();
      const { sign } = await import('../commands/sign.ts');
      const { openContext } = await import('../commands/context.ts');
      await sign(terminal, folder, options, async () => (await openContext(options, terminal)).fleet.trust);
    });

  pack
    .command('renew')
    .argument('<folder>', 'where the next targets wait for signatures; best on a stick')
    .description(
      'Keeps what is signed so for another year, without the packs that are named, or adds one person’s signature to that. It is handed in once as many have signed as the root asks for.',
    )
    .requiredOption('--root <file>', 'the root that is trusted here, from which the others must descend')
    .option('--key <file...>', 'key files to sign with, or folders of them')
    .option(
      '--remove <pack...>',
      'packs that are no longer signed, as NAME@VERSION: they cannot be assigned any more, and no device begins with them',
    )
    .option('--passphrase-file <file>', 'file with the passphrase of the key (default: it is asked for)')
    .option('--offline', 'sign after what the folder says, without a fleet')
    .option('--yes', 'sign without a question')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh pack renew /media/stick/next --root 1.root.json --key targets-1.pem --remove carto@8.2.1' +
        '\n  $ iotdh pack renew /media/stick/next --root 1.root.json --key targets-2.pem',
    )
    .action(async (folder: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RenewOptions & GlobalOptions>();
      const { renew } = await import('../commands/pack-renew.ts');
      const { openContext } = await import('../commands/context.ts');
      await renew(terminal, folder, options, async () => (await openContext(options, terminal)).fleet);
    });

  pack
    .command('verify')
    .argument('<folder>', 'the folder of a pack')
    .description('Says whether a pack is signed by those whom a root names, and whole. Needs no fleet.')
    .requiredOption('--root <file>', 'the root that is trusted')
    .addHelpText('after', '\nExample:\n  $ iotdh pack verify carto-8.2.1 --root 1.root.json')
    .action(async (folder: string, _options: unknown, command: Command) => {
      const { verify } = await import('../commands/verify.ts');
      await verify(terminal, folder, command.optsWithGlobals<VerifyOptions>());
    });

  pack
    .command('sbom')
    .argument(
      '<pack>',
      'the folder of a pack, which needs no fleet; or NAME, NAME@VERSION or the id of one in the fleet',
    )
    .description(
      'Prints the bill of materials (CycloneDX 1.6, JSON) that was signed with a pack, once that is proven.',
    )
    .requiredOption('--root <file>', 'the root that is trusted')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh pack sbom carto@8.2.1 --root 1.root.json > carto-8.2.1.cdx.json',
    )
    .action(async (word: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions & GlobalOptions>();
      const { printSbom } = await import('../commands/pack-sbom.ts');
      const { openContext } = await import('../commands/context.ts');
      await printSbom(terminal, word, options, async () => (await openContext(options, terminal)).fleet);
    });

  pack
    .command('export')
    .argument('<folder...>', 'the folder of a PATCH, of the BASE that it falls back to, or both')
    .description(
      'Writes packs and what the fleet has signed as a bundle for a stick, to devices without a link. There: iotdh-agent import FOLDER.',
    )
    .requiredOption('--to <folder>', 'where the bundle goes: a folder of its own')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh pack export carto-8.2.1 carto-base-8.0 --to /media/stick/carto-8.2.1',
    )
    .action((folders: string[], options: ExportCommandOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/pack-export.ts')).exportPacks(context, folders, options),
      ),
    );

  pack
    .command('upload')
    .argument('<folder>', 'the folder of a pack')
    .description(
      'Hands a pack in and publishes it. Objects that are there already are not sent again, so a retry is cheap.',
    )
    .option('--draft', 'do not publish it')
    .option('--parallel <number>', 'objects on their way at once', positive, 4)
    .addHelpText('after', '\nExample:\n  $ iotdh pack upload carto-8.2.1')
    .action((folder: string, options: UploadOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/pack.ts')).upload(context, folder, options),
      ),
    );

  pack
    .command('list')
    .description('Lists packs, the newest first.')
    .option('--name <name>', 'of this name')
    .option('--state <state...>', 'draft, published or yanked')
    .option('--limit <number>', 'at most so many', positive, 1_000)
    .addHelpText('after', '\nExample:\n  $ iotdh pack list --name carto --state published')
    .action((options: ListOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/pack.ts')).listPacks(context, options),
      ),
    );

  pack
    .command('get')
    .argument('<pack>', 'NAME, NAME@VERSION or its id')
    .description('Shows one pack.')
    .addHelpText('after', '\nExample:\n  $ iotdh pack get carto@8.2.1')
    .action((word: string, _options: unknown, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/pack.ts')).getPack(context, word),
      ),
    );

  pack
    .command('yank')
    .argument('<pack>', 'NAME@VERSION or its id')
    .description('Keeps a pack from being assigned again. What was assigned before goes on.')
    .requiredOption('--reason <text>', 'why, for the record')
    .addHelpText('after', '\nExample:\n  $ iotdh pack yank carto@8.2.1 --reason "crashes with two monitors"')
    .action((word: string, { reason }: { reason: string }, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/pack.ts')).yankPack(context, word, reason),
      ),
    );

  return pack;
}
