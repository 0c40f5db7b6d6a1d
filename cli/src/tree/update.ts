/** `iotdh assign`, `assignment`, `watch` and `logs`. */
import { Command } from 'commander';
import type { AssignOptions, ListOptions } from '../commands/assignment.ts';
import type { LogOptions } from '../commands/logs.ts';
import type { WatchOptions } from '../commands/watch.ts';
import { positive, type Tree, withFleet } from './client.ts';

export function updateCommands(tree: Tree): Command[] {
  return [assignCommand(tree), assignmentCommand(tree), watchCommand(tree), logsCommand(tree)];
}

function assignCommand(tree: Tree): Command {
  return new Command('assign')
    .argument('<pack>', 'NAME for its newest published version, NAME@VERSION or its id')
    .argument('<device...>', 'the devices: all are assigned, or none')
    .summary('assign a pack to devices')
    .description('Assigns a pack to devices. Nothing is applied before a person at the device agrees.')
    .option('--fallback <pack>', 'the BASE to fall back to if a PATCH fails')
    .option('--not-before <instant>', 'do not apply before: 2026-11-01T22:00:00Z, or +2h')
    .option('--not-after <instant>', 'do not begin to apply afterwards')
    .option('--yes', 'do not ask, however long it occupies the hub')
    .option('--carrier <carrier>', 'auto, bus, https or offline (default: auto, the device chooses)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ iotdh assign carto ws-0001 ws-0002\n  $ iotdh assign carto@8.2.1 ws-0001 --fallback carto-base --not-before +2h',
    )
    .action((pack: string, devices: string[], options: AssignOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/assignment.ts')).assign(context, pack, devices, options),
      ),
    );
}

function assignmentCommand(tree: Tree): Command {
  const assignment = new Command('assignment').description('list, show and cancel assignments');

  assignment
    .command('list')
    .description('Lists assignments, the newest first.')
    .option('--device <device>', 'of this device')
    .option('--pack <pack>', 'of this pack')
    .option('--state <state...>', 'waiting, in_transit, awaiting_consent, applying or ended')
    .option('--limit <number>', 'at most so many', positive, 1_000)
    .addHelpText('after', '\nExample:\n  $ iotdh assignment list --state in_transit awaiting_consent')
    .action((options: ListOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/assignment.ts')).listAssignments(context, options),
      ),
    );

  assignment
    .command('get')
    .argument('<assignment>', 'its id')
    .description('Shows one assignment, and every step once it ended.')
    .addHelpText('after', '\nExample:\n  $ iotdh assignment get 0b0e7d5e-2f0c-4a57-9d0c-1c7f9f4c9d11')
    .action((id: string, _options: unknown, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/assignment.ts')).getAssignment(context, id),
      ),
    );

  assignment
    .command('cancel')
    .argument('<assignment>', 'its id')
    .description('Withdraws an assignment that is not being applied yet.')
    .requiredOption('--reason <text>', 'why, for the record')
    .addHelpText(
      'after',
      '\nExample:\n  $ iotdh assignment cancel 0b0e7d5e-2f0c-4a57-9d0c-1c7f9f4c9d11 --reason "wrong site"',
    )
    .action((id: string, { reason }: { reason: string }, command: Command) =>
      withFleet(tree, command, async (context) =>
        (await import('../commands/assignment.ts')).cancelAssignment(context, id, reason),
      ),
    );

  return assignment;
}

function watchCommand(tree: Tree): Command {
  return new Command('watch')
    .argument('[subject]', 'an assignment, or a device (default: everything that happens)')
    .summary('follow an update until it ends, or whatever happens')
    .description(
      'Follows an assignment, or the one that goes on for a device, until it ends; without one, whatever happens. ' +
        'Writes a bar for a person, and a line of JSON for each change for a program.',
    )
    .option('--exit-status', 'exit with 1 unless the pack was applied')
    .option('--timeout <duration>', 'give up watching, not the update, after so long, and exit with 6')
    .addHelpText(
      'after',
      '\nExamples:\n  $ iotdh watch ws-0001 --exit-status --timeout 30m\n  $ iotdh watch | jq -c .stateChanged',
    )
    .action((subject: string | undefined, options: WatchOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        tree.setExitCode(await (await import('../commands/watch.ts')).watch(context, subject, options)),
      ),
    );
}

function logsCommand(tree: Tree): Command {
  return new Command('logs')
    .argument('<device>', 'its id')
    .summary('show what a device logged')
    .description('Shows the newest lines that a device has sent, the oldest of them first.')
    .option('--since <instant>', 'from then on: 2026-11-01T12:00:00Z, or 2h')
    .option('--until <instant>', 'until then')
    .option('--level <level>', 'at least as serious: debug, info, warn, error or fatal')
    .option('--component <name>', 'of this component and of what is below it')
    .option('--text <text>', 'that contain this')
    .option('--limit <number>', 'at most so many', positive, 100)
    .option('--follow', 'go on with what comes, until Ctrl-C')
    .option('--collect', 'ask the device for what it has kept, wait until it has come, and show that')
    .option('--timeout <duration>', 'how long to wait for a collection', '5m')
    .addHelpText(
      'after',
      '\nExamples:\n  $ iotdh logs ws-0001 --level warn --follow\n  $ iotdh logs ws-0001 --collect --since 2h -o jsonl > ws-0001.jsonl',
    )
    .action((device: string, options: LogOptions, command: Command) =>
      withFleet(tree, command, async (context) =>
        tree.setExitCode(await (await import('../commands/logs.ts')).logs(context, device, options)),
      ),
    );
}
