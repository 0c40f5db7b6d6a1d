/**
 * The process that the tests kill: applies the scenario's patch to the machine in a folder, and dies by SIGKILL when it passes a
 * fail point for the n-th time. Arguments: the folder, the fate, the number of points to pass.
 */
import { installOn, openMachine } from './machine.ts';
import { type Fate, writePatch } from './scenario.ts';

const [folder = '', fate = 'passes', deathAt = '0'] = process.argv.slice(2);
const machine = openMachine(folder);
let passed = 0;
const outcome = await installOn(machine, {
  onFailPoint() {
    passed += 1;
    if (passed === Number(deathAt)) process.kill(process.pid, 'SIGKILL');
  },
}).apply({
  id: 'job',
  manifest: writePatch(machine, fate as Fate),
  contentPath: machine.contentPath,
  signal: new AbortController().signal,
  progress() {},
});
process.exit(outcome.kind === 'applied' || outcome.kind === 'fault' ? 0 : 1);
