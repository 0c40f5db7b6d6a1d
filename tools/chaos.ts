/** `npm run chaos [-- machine|slots] [options]`: kills the agent's state machine, or cuts the power of a machine that gets a BASE. */
import { randomKills } from '../agent/src/machine/chaos/kills.ts';
import { runSchedules } from '../agent/src/slots/chaos/schedules.ts';
import { interruptible, readCommandLine, refuse, wholeNumber } from './command-line.ts';

const usage = `Usage: npm run chaos -- [machine|slots] [options]

  machine            kill -9 of the agent's state machine, again and again (default)
    --kills N        so many (default 10000)
    --jobs N         processes at a time (default 2)
  slots              bases on a machine in memory whose power fails at any step
    --schedules N    so many (default 100000)

  --seed N           which ones; the same seed takes the same walks (default 1)
  --help             this text`;

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);

async function machine(options: {
  kills: number;
  seed: number;
  jobs: number;
  signal: AbortSignal;
}): Promise<void> {
  let announced = 0;
  const { kills, walks, points } = await randomKills({
    ...options,
    onWalk(toll) {
      if (toll.kills - announced < 500) return;
      announced = toll.kills;
      console.log(`${toll.kills} kills in ${toll.walks} walks, ${seconds()} s`);
    },
  });
  console.log(
    `${kills} kills in ${walks} walks, ${seconds()} s: every walk ended where it had to, no effect done twice`,
  );
  console.log(points);
}

async function slots(options: { count: number; seed: number; signal: AbortSignal }): Promise<void> {
  const toll = await runSchedules({
    ...options,
    onSchedule(done) {
      if (done % 10_000 === 0) console.log(`${done} schedules, ${seconds()} s`);
    },
  });
  console.log(
    `${options.count} schedules, ${seconds()} s: one whole system at every start, one try for each, no success without proof`,
  );
  console.log(toll);
}

const { values, positionals } = readCommandLine(usage, {
  allowPositionals: true,
  options: {
    kills: { type: 'string' },
    jobs: { type: 'string' },
    schedules: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const [what = 'machine', ...more] = positionals;
const seed = wholeNumber('seed', values.seed, 0);
if (more.length > 0) refuse(`"${more[0]}" is one word too many`);
if (what === 'machine') {
  if (values.schedules !== undefined) refuse('--schedules is of slots');
  const kills = wholeNumber('kills', values.kills ?? '10000');
  const jobs = wholeNumber('jobs', values.jobs ?? '2');
  await interruptible((signal) => machine({ kills, seed, jobs, signal }));
} else if (what === 'slots') {
  if (values.kills !== undefined || values.jobs !== undefined) refuse('--kills and --jobs are of machine');
  const count = wholeNumber('schedules', values.schedules ?? '100000');
  await interruptible((signal) => slots({ count, seed, signal }));
} else refuse(`there is no chaos of "${what}"`);
