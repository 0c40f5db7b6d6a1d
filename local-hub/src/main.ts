/** The process: arguments, environment, signals and exit code. */
import { readFileSync } from 'node:fs';
import { help } from './help.ts';
import type { Terminal } from './serve.ts';
import { type Command, readCommand } from './settings.ts';

const terminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  error: (line) => void process.stderr.write(`${line}\n`),
  onSignal(listener) {
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
  },
  pid: process.pid,
};

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

async function run(command: Command): Promise<number> {
  switch (command.kind) {
    case 'run':
      return (await import('./serve.ts')).serve(command.settings, terminal);
    case 'certificate':
      return (await import('./certificate-command.ts')).makeDeviceCertificate(command.request, terminal);
    case 'help':
      terminal.out(help);
      return 0;
    case 'version':
      terminal.out(`${version()}\n`);
      return 0;
    case 'invalid':
      terminal.error(`${command.problem}. See iotdh-local-hub --help.`);
      return 2;
  }
}

// A reader that goes away early (`| head`) must not take the hub with it.
process.stdout.on('error', () => {});
process.exitCode = await run(readCommand(process.argv.slice(2), process.env));
// What is left open after a forced end must not keep the process.
process.exit();
