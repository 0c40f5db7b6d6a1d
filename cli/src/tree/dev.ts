/** `iotdh dev …`. */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { GlobalOptions } from '../commands/context.ts';
import type { UpOptions } from '../dev/up.ts';
import type { Tree } from './client.ts';

type FolderOptions = GlobalOptions & { folder?: string };

const defaultFolder = '.iotdh/dev';

export function devCommand({ terminal, setExitCode }: Tree): Command {
  const dev = new Command('dev').description('run everything on this machine');
  const folderOption = () =>
    new Option('--folder <folder>', `where its data are (IOTDH_DEV_FOLDER; default: ${defaultFolder})`);
  const folderOf = (command: Command) =>
    resolve(
      terminal.cwd,
      command.optsWithGlobals<FolderOptions>().folder ?? (terminal.env.IOTDH_DEV_FOLDER || defaultFolder),
    );
  const outputOf = (command: Command) => command.optsWithGlobals<GlobalOptions>().output;

  dev
    .command('up')
    .description(
      'Starts a local IoT Hub, Blob Storage, a database and the services, and makes the profile “dev”.',
    )
    .addOption(folderOption())
    .option('--detach', 'return once it is ready, and leave it running')
    .addOption(
      new Option('--sku <sku>', 'whose limits the hub applies')
        .choices(['S1', 'S2', 'S3', 'off'])
        .default('off'),
    )
    .option('--processes', 'each service a process of its own, as in a cluster, instead of one for all')
    .addOption(new Option('--supervised').hideHelp())
    .addHelpText('after', '\nExamples:\n  $ iotdh dev up\n  $ iotdh dev up --detach && iotdh device list')
    .action(async (options: Omit<UpOptions, 'folder'>, command: Command) =>
      setExitCode(
        await (await import('../dev/up.ts')).up(terminal, { ...options, folder: folderOf(command) }),
      ),
    );
  dev
    .command('down')
    .description('Stops what runs; the data stay.')
    .addOption(folderOption())
    .addHelpText('after', '\nExample:\n  $ iotdh dev down')
    .action(async (_options: unknown, command: Command) =>
      (await import('../dev/down.ts')).down(terminal, folderOf(command)),
    );
  dev
    .command('status')
    .description('Shows what runs. Exits with 1 unless all of it is ready.')
    .addOption(folderOption())
    .addHelpText('after', '\nExample:\n  $ iotdh dev status -o json')
    .action(async (_options: unknown, command: Command) =>
      setExitCode(
        await (await import('../dev/down.ts')).status(terminal, folderOf(command), outputOf(command)),
      ),
    );
  dev
    .command('reset')
    .description('Removes the data, after asking.')
    .addOption(folderOption())
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  $ iotdh dev down && iotdh dev reset --yes')
    .action(async ({ yes = false }: { yes?: boolean }, command: Command) =>
      (await import('../dev/down.ts')).reset(terminal, folderOf(command), yes),
    );
  dev
    .command('doctor')
    .description('Looks for what could keep it from running.')
    .addOption(folderOption())
    .addHelpText('after', '\nExample:\n  $ iotdh dev doctor')
    .action(async (_options: unknown, command: Command) =>
      setExitCode(
        await (await import('../dev/doctor.ts')).doctor(terminal, folderOf(command), outputOf(command)),
      ),
    );
  return dev;
}
