/** The process that a test kills while it runs a script: its argument is the pretend machine's folder. */

import { join } from 'node:path';
import { createSandbox } from '../sandbox.ts';
import { openMachine } from './machine.ts';
import { authorOn } from './pack.ts';
import { realClock } from './real-clock.ts';

const machine = openMachine(process.argv[2] ?? '');
const sandbox = createSandbox({
  folder: join(machine.folder, 'scripts'),
  environment: { PATH: process.env.PATH, MACHINE: machine.folder },
  clock: realClock,
  redact: (text) => text,
});
const script = authorOn(machine).script(
  'mkfifo "$MACHINE/fifo"; exec 5>"$MACHINE/fifo"; echo begun >&5; sleep 60',
);
await sandbox.run(script, { contentPath: machine.contentPath, signal: new AbortController().signal });
