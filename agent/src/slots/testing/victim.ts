/**
 * The process that gets killed while it applies a base: it does the two effects, and dies with SIGKILL at the first fail
 * point that none of its earlier lives died at, if that is one of those it was told of.
 *
 * Arguments: the workstation's folder, and the fail points to die at, separated by commas. Exits with 0 when a base was
 * proven, 2 when it was not, 3 when the machine restarts.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workstationIn } from './workstation.ts';

const [folder = '', points = ''] = process.argv.slice(2);
const deaths = join(folder, 'deaths');
const station = workstationIn(folder);
const installer = station.installer({
  prove: async () => ({ kind: 'passed', steps: [] }),
  restart: () => process.exit(3),
  onFailPoint(point, subject) {
    const name = subject === '' ? point : `${point} ${subject}`;
    const died = existsSync(deaths) ? readFileSync(deaths, 'utf8').split('\n') : [];
    if (!points.split(',').includes(point) || died.includes(name)) return;
    appendFileSync(deaths, `${name}\n`);
    process.kill(process.pid, 'SIGKILL');
  },
});

const { signal } = new AbortController();
const applied = join(folder, 'applied');
if (!existsSync(applied)) {
  const end = await installer.applyBase(station.job('apply-1', signal));
  if (end.kind !== 'done') throw new Error(JSON.stringify(end));
  writeFileSync(applied, '');
}
const end = await installer.arm(station.job('arm-1', signal));
if (end.kind === 'failed') throw new Error(end.reason);
process.exitCode = end.event.proven ? 0 : 2;
