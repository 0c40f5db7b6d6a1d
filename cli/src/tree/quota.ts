/** `iotdh plan` and `iotdh quota`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { PlanOptions } from '../commands/plan.ts';
import type { SetQuotaOptions } from '../commands/quota.ts';
import { positive, type Tree, withFleet } from './client.ts';

function percent(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 100)
    throw new InvalidArgumentError('It must be a whole number from 0 to 100.');
  return value;
}

function share(text: string): number {
  const value = percent(text);
  if (value === 0) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

export function planCommand(tree: Tree): Command {
  return new Command('plan')
    .argument('<pack>', 'NAME for its newest published version, NAME@VERSION or its id')
    .argument('[device...]', 'the devices')
    .summary('predict what an update takes of the hub')
    .description(
      'Predicts what a pack takes to reach devices: bytes, messages, units of the hub’s quota and time, by each carrier. ' +
        'Nothing is assigned or sent.',
    )
    .option('--all', 'every device in service')
    .option('--site <site...>', 'devices at these sites')
    .option('--label <name=value...>', 'devices with all these labels')
    .addOption(
      new Option('--sku <sku>', 'for a hub of this size (default: the one there is)').choices([
        'S1',
        'S2',
        'S3',
      ]),
    )
    .option('--units <number>', 'units of that size (default: 1)', positive)
    .addOption(
      new Option('--carrier <carrier>', 'by this one alone; auto: by each')
        .choices(['auto', 'bus', 'https', 'offline'])
        .default('auto'),
    )
    .option('--resend <percent>', 'how many frames of a hundred are sent again on these links', percent, 0)
    .option('--within <duration>', 'name the hubs that do it in so long, such as 12h or 7d')
    .addHelpText(
      'after',
      '\nExamples:\n  $ iotdh plan carto@8.2.1 --all --within 7d\n  $ iotdh plan carto --site Boston --sku S2 --resend 5',
    )
    .action((pack: string, devices: string[], options: PlanOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/plan.ts')).plan(context, pack, devices, options),
      ),
    );
}

export function quotaCommand(tree: Tree): Command {
  const quota = new Command('quota').description(
    'show what is used of the hub, and set what updates may have',
  );
  quota.addHelpText('after', '\nExample:\n  $ iotdh quota');
  quota
    .command('show', { isDefault: true })
    .description('Shows the account of the hub’s day: what is used, by whom, and what is left.')
    .addHelpText('after', '\nExample:\n  $ iotdh quota -o json')
    .action((_options: unknown, command: Command) =>
      withFleet(tree, command, async (context) => (await import('../commands/quota.ts')).showQuota(context)),
    );
  quota
    .command('set')
    .description('Sets what updates may have of the hub, from now on and for all replicas.')
    .requiredOption('--rate <percent>', 'of its C2D messages a minute', share)
    .requiredOption('--day <percent>', 'of its messages of a day, for frames', share)
    .addHelpText('after', '\nExample, for a night:\n  $ iotdh quota set --rate 95 --day 80')
    .action((options: SetQuotaOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/quota.ts')).setQuota(context, options),
      ),
    );
  quota
    .command('reset')
    .description('Takes the shares of the settings again.')
    .addHelpText('after', '\nExample:\n  $ iotdh quota reset')
    .action((_options: unknown, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/quota.ts')).setQuota(context, undefined),
      ),
    );
  return quota;
}
