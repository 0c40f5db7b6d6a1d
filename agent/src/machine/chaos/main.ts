/** `node agent/src/machine/chaos/main.ts [--kills 10000] [--seed 1] [--jobs 2]`: kill -9, again and again. */
import { parseArgs } from 'node:util';
import { randomKills } from './kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
  },
});
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
let announced = 0;
const tolls = await randomKills({
  kills: Number(values.kills),
  seed: Number(values.seed),
  jobs: Number(values.jobs),
  signal: abort.signal,
  onWalk({ kills, walks }) {
    if (kills - announced < 500) return;
    announced = kills;
    console.log(`${kills} kills in ${walks} walks, ${seconds()} s`);
  },
});
const { kills, walks, points } = tolls;
console.log(
  `${kills} kills in ${walks} walks, ${seconds()} s: every walk ended where it had to, no effect done twice`,
);
console.log(points);
