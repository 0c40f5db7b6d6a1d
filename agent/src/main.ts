/** The process: arguments, environment and exit codes. What answers at once loads no more than it needs. */
import { readFileSync } from 'node:fs';
import { help } from './settings/help.ts';
import { printSettings } from './settings/print-settings.ts';
import { readRequest } from './settings/read-settings.ts';

const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };
const explain = (error: unknown) =>
  process.stderr.write(`iotdh-agent: ${error instanceof Error ? error.message : error}\n`);

const request = readRequest(process.argv.slice(2), process.env);
switch (request.kind) {
  case 'run': {
    const { run } = await import('./run.ts');
    process.exitCode = await run(request.settings, version, explain).catch((error: unknown) => {
      explain(error);
      return 1;
    });
    break;
  }
  case 'print_settings':
    process.stdout.write(`${printSettings(request.settings)}\n`);
    break;
  case 'import': {
    const { runImport } = await import('./import-command.ts');
    process.exitCode = await runImport(request.path, request.settings, {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    });
    break;
  }
  case 'help':
    process.stdout.write(help);
    break;
  case 'version':
    process.stdout.write(`${version}\n`);
    break;
  case 'invalid':
    explain(`${request.problem}. See iotdh-agent --help.`);
    process.exitCode = 2;
}
// Timers of the SDK outlive its connections by a minute.
process.exit();
