/**
 * The agent as it is, but for its death: where DEATHS names a file, it kills itself at every fail point that the file does not list
 * yet, once it has written it down. Started again until it lives, it has died at each point of its way exactly once. DEATHS_OF leaves
 * only the points of one event or effect. And but for its clock, where CLOCK is `jumping`.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createAgent } from '../../agent/src/agent.ts';
import { systemClock } from '../../agent/src/api/clock.ts';
import type { OnFailPoint } from '../../agent/src/machine/fail-point.ts';
import { readRequest } from '../../agent/src/settings/read-settings.ts';

const { DEATHS: deaths, DEATHS_OF: deathsOf, CLOCK: clockKind } = process.env;

/** A wall clock that is a day behind, a year ahead or right, and changes its mind twice a second. */
const jumps = [0, -86_400_000, 0, 31_536_000_000];
const jumpingNow = (): number =>
  Date.now() + (jumps[Math.floor(performance.now() / 500) % jumps.length] ?? 0);

const dieOnce: OnFailPoint = (point, subject) => {
  if (deaths === undefined || (deathsOf !== undefined && subject !== deathsOf)) return;
  const name = `${point} ${subject}`;
  const survived = existsSync(deaths) ? readFileSync(deaths, 'utf8').split('\n') : [];
  if (survived.includes(name)) return;
  appendFileSync(deaths, `${name}\n`);
  process.kill(process.pid, 'SIGKILL');
};

const request = readRequest(process.argv.slice(2), process.env);
if (request.kind !== 'run') throw new Error(JSON.stringify(request));
const agent = createAgent({
  ...{ settings: request.settings, version: '0.0.0', environment: process.env },
  ...{ random: Math.random, onFailPoint: dieOnce },
  clock: clockKind === 'jumping' ? { ...systemClock, now: jumpingNow } : systemClock,
  write: (text) => process.stderr.write(text),
  onFailure(error) {
    console.error(error);
    process.exit(1);
  },
});
process.once('SIGTERM', () => void agent.stop().then(() => process.exit(0)));
await agent.start();
