/** The agent as a process, until it is told to end. */
import { setTimeout as delay } from 'node:timers/promises';
import { createAgent } from './agent.ts';
import { systemClock } from './api/clock.ts';
import { printSettings } from './settings/print-settings.ts';
import type { Settings } from './settings/settings.ts';

/** A part that does not heed the end is left behind: the next start goes on where the journals say. */
const stopMs = 4500;

/** Runs until a signal (0) or until it cannot go on (1), which `explain` is told. */
export async function run(
  settings: Settings,
  version: string,
  explain: (error: unknown) => void,
): Promise<number> {
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
