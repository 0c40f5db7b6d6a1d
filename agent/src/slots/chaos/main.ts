/** `node agent/src/slots/chaos/main.ts [--schedules 100000] [--seed 1]`: bases on a machine whose power fails at any step. */
import { parseArgs } from 'node:util';
import { runSchedules } from './schedules.ts';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
const toll = await runSchedules({
  count: Number(values.schedules),
  seed: Number(values.seed),
  signal: abort.signal,
  onSchedule(done) {
    if (done % 10_000 === 0) console.log(`${done} schedules, ${seconds()} s`);
  },
});
console.log(
  `${values.schedules} schedules, ${seconds()} s: one whole system at every start, one try for each, no success without proof`,
);
console.log(toll);
