/**
 * The process that gets killed: a real runner on a real journal, that takes a walk over the table. Its effects are fakes
 * that do something which can be counted: a line in a file, once for each effect id.
 *
 * Started with one argument, a JSON text of `Orders`. Ends by itself when the walk is over and nothing is owed.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { openJournal } from '../../journal/open-journal.ts';
import { isActivity } from '../effect.ts';
import type { OutsideEvent } from '../event.ts';
import type { Journal } from '../journal.ts';
import { createMachine } from '../machine.ts';
import { createRunner } from '../runner.ts';
import { sleep } from '../sleep.ts';
import { done, type Port, scriptPorts, untilAborted } from '../testing/ports.ts';
import type { DeathPoint, Orders } from './orders.ts';
import { eventAt, noteBefore } from './walk.ts';

const orders = JSON.parse(process.argv[2] ?? '') as Orders;
const { walk, effectsFile } = orders;
let pointsPassed = 0;

/** Tells the parent where it died, and dies before another line of it can run. */
function onDeathPoint(point: DeathPoint, subject: string): void {
  pointsPassed += 1;
  const name = `${journal.sequence()} ${point} ${subject} ${journal.effects()[0]?.id ?? ''}`;
  const fresh = point === orders.fresh?.point && !orders.fresh.survived.includes(name);
  if (!fresh && pointsPassed !== orders.dieAt) return;
  appendFileSync(`${effectsFile}.deaths`, `${name}\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** Does the effect unless it was done before; returns nothing, for the file says it all. */
function take(id: string, kind: string): void {
  const line = `${id} ${kind}`;
  const lines = existsSync(effectsFile) ? readFileSync(effectsFile, 'utf8').split('\n') : [];
  if (!lines.includes(line)) appendFileSync(effectsFile, `${line}\n`);
}

/** Executes any effect; an activity ends with the event of the next row if it can, and else lasts until it is aborted. */
const perform: Port = async (effect, context) => {
  onDeathPoint('in_effect', effect.kind);
  take(context.id, effect.kind);
  if (!isActivity(effect)) return done;
  const index = journal.sequence();
  const event = index < walk.length ? eventAt(walk, index, journal.snapshot()) : null;
  switch (event?.type) {
    case 'transfer_complete':
    case 'prompt_issued':
    case 'integrity_ok':
    case 'integrity_fault':
    case 'boot_sys':
      return { kind: 'event', event };
    default:
      holding = context.id;
      proceed();
      await untilAborted(effect, context);
      return { kind: 'failed', reason: 'interrupted' };
  }
};

/** The activity that waits to be aborted. */
let holding = '';
let proceed = () => {};

/** The journal, with an ear for what is written. */
function listening(inner: Journal): Journal {
  return {
    ...inner,
    write(entry) {
      const written = inner.write(entry);
      proceed();
      return written;
    },
  };
}

const journal = listening(openJournal({ directory: orders.directory, newId: () => 'chaos' }).journal);
const machine = createMachine({ journal, now: () => journal.sequence(), onFailPoint: onDeathPoint });
const runner = createRunner({
  journal,
  machine,
  ports: scriptPorts(perform).ports,
  survey: async () => {
    const event = eventAt(walk, journal.sequence(), journal.snapshot());
    if (event.type !== 'sdk_cmdready') throw new Error('nobody asked');
    return event.disk;
  },
  sleep,
  onFinding: (finding) => console.error(finding),
  // The write cap has tests of its own; here every death is an accident.
  maxAttempts: Number.MAX_SAFE_INTEGER,
  onFailPoint: onDeathPoint,
});

/** Until all that is owed is done, or waits to be aborted. */
async function quiet(): Promise<void> {
  while (journal.effects().some(({ id }) => `${journal.id}.${id}` !== holding)) {
    await new Promise<void>((resolve) => {
      proceed = resolve;
    });
  }
}

runner.start();
for (;;) {
  await quiet();
  const index = journal.sequence();
  if (index >= walk.length) break;
  const note = noteBefore(walk, index, journal.snapshot());
  const event = note ?? eventAt(walk, index, journal.snapshot());
  const outside = event.type === 'sdk_cmdready' ? { type: event.type } : (event as OutsideEvent);
  const answer = await runner.submit(outside);
  if (answer.kind !== (note === null ? 'moved' : 'noted'))
    throw new Error(`${event.type}: ${JSON.stringify(answer)}`);
}
await runner.stop();
journal.close();
