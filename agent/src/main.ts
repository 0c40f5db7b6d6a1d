/** The process: arguments, environment, signals and exit codes. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createAgent } from './agent.ts';
import { systemClock } from './api/clock.ts';
import { runImport } from './import-command.ts';
import { help } from './settings/help.ts';
import { printSettings } from './settings/print-settings.ts';
import { readRequest } from './settings/read-settings.ts';
import type { Settings } from './settings/settings.ts';

const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };
const explain = (error: unknown) =>
  process.stderr.write(`iotdh-agent: ${error instanceof Error ? error.message : error}\n`);

/** A part that does not heed the end is left behind: the next start goes on where the journals say. */
const stopMs = 4500;

/** Runs until a signal (0) or until it cannot go on (1). */
async function run(settings: Settings): Promise<number> {
  const { promise: over, resolve } = Promise.withResolvers<number>();
  const agent = createAgent({
    ...{ settings, version, environment: process.env, clock: systemClock, random: Math.random },
    write: (text) => process.stderr.write(text),
    onFailure(error) {
      explain(error);
      resolve(1);
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(0));
  process.stderr.write(`iotdh-agent ${version} with ${printSettings(settings).replace(/\n\s*/g, ' ')}\n`);
  await agent.start();
  const exitCode = await over;
  await Promise.race([agent.stop(), delay(stopMs)]);
  return exitCode;
}

const request = readRequest(process.argv.slice(2), process.env);
switch (request.kind) {
  case 'run':
    process.exitCode = await run(request.settings).catch((error: unknown) => {
      explain(error);
      return 1;
    });
    break;
  case 'print_settings':
    process.stdout.write(`${printSettings(request.settings)}\n`);
    break;
  case 'import':
    process.exitCode = await runImport(request.path, request.settings, {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    });
    break;
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
