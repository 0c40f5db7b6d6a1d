/** The tree of commands: names, options and help. What a command does is loaded only when it runs. */
import { Argument, Command, Option } from 'commander';
import type { Terminal } from './terminal.ts';
import { auditCommand } from './tree/audit.ts';
import type { Tree } from './tree/client.ts';
import { devCommand } from './tree/dev.ts';
import { deviceCommand } from './tree/device.ts';
import { keysCommand } from './tree/keys.ts';
import { packCommand } from './tree/pack.ts';
import { profileCommand } from './tree/profile.ts';
import { planCommand, quotaCommand } from './tree/quota.ts';
import { updateCommands } from './tree/update.ts';

const formats = ['table', 'json', 'jsonl', 'yaml', 'name'];

export function createProgram(terminal: Terminal, setExitCode: (code: number) => void): Command {
  const tree: Tree = { terminal, setExitCode };
  const program = new Command('iotdh')
    .description('Keeps fleets of medical workstations up to date.')
    .addOption(
      new Option(
        '-o, --output <format>',
        'how to write the answer (default: table for a person, else json)',
      ).choices(formats),
    )
    .option('--profile <name>', 'which fleet (IOTDH_PROFILE)')
    .option('--api-url <url>', 'address of the fleet’s services (IOTDH_API_URL)')
    .option('--broker-url <url>', 'address of the authentication broker (IOTDH_BROKER_URL)')
    .option('--ca-file <file>', 'an authority to trust besides those of the system (IOTDH_CA_FILE)')
    .option(
      '--token-file <file>',
      'file with the operator’s token (IOTDH_TOKEN_FILE, or the token in IOTDH_TOKEN)',
    )
    .version('0.0.0', '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.note(text.trimEnd()),
      getOutHasColors: () => terminal.outIsTty,
      getErrHasColors: () => terminal.noteIsTty,
    })
    .showHelpAfterError('See --help.')
    .exitOverride()
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Examples:
  $ iotdh dev up                         everything on this machine
  $ iotdh device list
  $ iotdh pack build pack.yaml && iotdh pack upload carto-8.2.1
  $ iotdh plan carto@8.2.1 ws-0001 && iotdh assign carto@8.2.1 ws-0001
  $ iotdh watch ws-0001 --exit-status --timeout 30m

Exit codes: 0 ok, 1 failed, 2 usage, 3 not allowed, 4 not found, 5 not reached, 6 timed out, 130 interrupted.`,
    );
  const commands = [
    devCommand(tree),
    deviceCommand(tree),
    packCommand(tree),
    keysCommand(tree),
    planCommand(tree),
    ...updateCommands(tree),
    auditCommand(tree),
    quotaCommand(tree),
    profileCommand(tree),
    completionCommand(program, terminal),
  ];
  for (const command of commands) adopt(program, command);
  return program;
}

/** Commander hands settings down only to commands that it makes itself. */
function adopt(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent).helpCommand(false);
  if (command.parent !== parent) parent.addCommand(command);
  for (const below of command.commands) adopt(command, below);
}

function completionCommand(program: Command, terminal: Terminal): Command {
  return new Command('completion')
    .summary('a script that completes commands in your shell')
    .description('Prints a script that completes commands in your shell.')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  $ source <(iotdh completion bash)
  $ iotdh completion fish > ~/.config/fish/completions/iotdh.fish`,
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./commands/completion.ts');
      terminal.out(completionScript(program, shell));
    });
}
