/** `iotdh device …`. */
import { Command } from 'commander';
import type { ListOptions, RegisterOptions } from '../commands/device.ts';
import { positive, type Tree, withFleet } from './client.ts';

export function deviceCommand(tree: Tree): Command {
  const device = new Command('device').description('register, list and retire devices');

  device
    .command('list')
    .description('Lists devices by id.')
    .option('--text <text>', 'whose id, name or site contains this')
    .option('--site <site...>', 'at these sites')
    .option('--label <name=value...>', 'with all these labels')
    .option('--state <state...>', 'whose agent is in one of these states, such as ready or busy')
    .option('--connected', 'that are connected')
    .option('--disconnected', 'that are not connected at the moment')
    .option('--retired', 'retired ones too')
    .option('--limit <number>', 'at most so many', positive, 1_000)
    .addHelpText(
      'after',
      '\nExamples:\n  $ iotdh device list --site Boston --connected\n  $ iotdh device list -o name | xargs iotdh assign carto@8.2.1',
    )
    .action((options: ListOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).listDevices(context, options),
      ),
    );

  device
    .command('get')
    .argument('<device>', 'its id')
    .description('Shows one device and what it last reported.')
    .addHelpText('after', '\nExample:\n  $ iotdh device get ws-0001 -o json')
    .action((id: string, _options: unknown, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).getDevice(context, id),
      ),
    );

  device
    .command('register')
    .argument('<device>', 'its id, for ever')
    .description('Registers a device and prints the token with which its agent enrols, once.')
    .option('--name <name>', 'what people call it')
    .option('--site <site>', 'where it stands')
    .option('--label <name=value...>', 'labels of your own')
    .option(
      '--save-token <file>',
      'write the token to a new file, readable by you alone, and do not print it',
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh device register ws-0001 --site Boston --save-token ws-0001.token',
    )
    .action((id: string, options: RegisterOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).registerDevice(context, id, options),
      ),
    );

  device
    .command('token')
    .argument('<device>', 'its id')
    .description('Prints another token for a device that must enrol again, once: its certificate has ended.')
    .option(
      '--save-token <file>',
      'write the token to a new file, readable by you alone, and do not print it',
    )
    .addHelpText('after', '\nExample:\n  $ iotdh device token ws-0001 --save-token ws-0001.token')
    .action((id: string, options: Pick<RegisterOptions, 'saveToken'>, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).issueToken(context, id, options),
      ),
    );

  device
    .command('retire')
    .argument('<device>', 'its id')
    .description('Takes a device out of service: its credentials end at once. Its records stay.')
    .requiredOption('--reason <text>', 'why, for the record')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh device retire ws-0001 --reason "sent back to the manufacturer"',
    )
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).retireDevice(context, id, reason),
      ),
    );

  device
    .command('purge')
    .argument('<device>', 'its id')
    .description('Empties what is queued for a device, in the hub and on the device. Assignments stay.')
    .addHelpText('after', '\nExample:\n  $ iotdh device purge ws-0001')
    .action((id: string, _options: unknown, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/device.ts')).purgeDevice(context, id),
      ),
    );

  return device;
}
