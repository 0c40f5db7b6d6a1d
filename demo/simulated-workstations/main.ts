/** The process of the simulated workstations: one for each folder below --folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSimulatedWorkstation } from './simulated-workstation.ts';

const { values } = parseArgs({
  options: { folder: { type: 'string' }, broker: { type: 'string' }, ca: { type: 'string' } },
});
const { folder, broker, ca } = values;
if (folder === undefined || broker === undefined || ca === undefined) {
  console.error('simulated-workstations needs --folder, --broker and --ca');
  process.exit(2);
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
// Whoever started it is gone.
process.stdin.once('end', () => stopping.abort()).resume();

const clock = {
  now: () => Date.now(),
  after(ms: number, callback: () => void) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

await Promise.all(
  readdirSync(folder).map((name) =>
    runSimulatedWorkstation(
      {
        folder: join(folder, name),
        brokerUrl: broker,
        caPem: readFileSync(ca, 'utf8'),
        clock,
        random: Math.random,
        log: (line) => console.error(line),
      },
      stopping.signal,
    ),
  ),
);
// The device SDK leaves timers behind that would keep the process for a minute more.
process.exit();
