import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { StateChange } from './journal.ts';
import { createMachine, type Machine } from './machine.ts';
import { pendingUpdate } from './snapshot.ts';
import { events, findRow, guards, isNoted, states } from './table.ts';
import { journalFor } from './testing/journal.ts';
import { diskFor, eventFor, notedOnly, samplePack, snapshotIn, withoutBase } from './testing/samples.ts';

/** Every byte of the journal's files. */
function bytesOf(directory: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory)) hash.update(name).update(readFileSync(join(directory, name)));
  return hash.digest('hex');
}

describe('every state and every event, with a journal on disk', () => {
  for (const state of states) {
    test(`from ${state}, a listed event is journalled, and any other leaves not one byte changed`, (t) => {
      const { journal, directory } = journalFor(t);
      const machine = createMachine({ journal, now: () => 1234 });
      for (const name of [...events, ...notedOnly] as const) {
        for (const guard of name === 'sdk_cmdready' ? guards : [null]) {
          // The base can be named only while it is not known.
          const pack = name === 'cloud_fallback' ? withoutBase(samplePack()) : samplePack();
          const from = snapshotIn(state, pack);
          journal.write({ snapshot: from });
          const before = bytesOf(directory);
          const sequence = journal.sequence();
          const event = eventFor(name, from, guard === null ? {} : { guard });
          const row = findRow(state, name, guard);
          const answer = machine.accept(event);
          const title = `${name} when ${guard}`;
          if (row !== undefined) {
            const to = machine.snapshot();
            assert.equal(to.state, row[3], title);
            const change = {
              sequence: sequence + 1,
              timeMs: 1234,
              from: state,
              event: name,
              to: row[3],
              update: pendingUpdate(to),
            };
            assert.deepEqual(answer, { kind: 'moved', change }, title);
            assert.deepEqual(journal.changesAfter(sequence, 10), [change], title);
          } else if (isNoted(state, name)) {
            assert.deepEqual(answer, { kind: 'noted' }, title);
            assert.equal(machine.snapshot().state, state, title);
            assert.equal(journal.sequence(), sequence, title);
          } else {
            assert.equal(answer.kind, 'refused', title);
            assert.equal(bytesOf(directory), before, title);
            assert.deepEqual(machine.snapshot(), from, title);
          }
        }
      }
    });
  }

  test('a confirm of another manifest leaves not one byte changed', (t) => {
    const { journal, directory } = journalFor(t);
    const machine = createMachine({ journal, now: () => 0 });
    journal.write({ snapshot: snapshotIn('WAIT_CONFIRM_PATCH') });
    const before = bytesOf(directory);
    const event = { type: 'sdk_confirmpatch', manifestDigest: 'another', person: 'Dr. Sample' } as const;
    assert.equal(machine.accept(event).kind, 'refused');
    assert.equal(bytesOf(directory), before);
  });
});

test('a transition drops the activity of the state before, and keeps the steps that are still owed', (t) => {
  const { journal } = journalFor(t);
  const machine = createMachine({ journal, now: () => 0 });
  machine.accept({ type: 'sdk_cmdready', disk: diskFor('no_patch_no_base') });
  machine.accept({ type: 'cloud_cmdupgrade', pack: samplePack() });
  const kinds = () => journal.effects().map(({ effect }) => effect.kind);
  assert.deepEqual(kinds(), ['ask_assignment', 'start_transfer']);
  machine.accept({ type: 'sdk_cmdbusy' });
  assert.deepEqual(kinds(), ['ask_assignment', 'stop_transfer']);
});

test('an answer is in the journal with its time and its state', (t) => {
  const { journal } = journalFor(t);
  const machine = createMachine({ journal, now: () => 77 });
  const from = snapshotIn('WAIT_CONFIRM_BASE');
  journal.write({ snapshot: from });
  machine.accept(eventFor('sdk_decline', from));
  assert.deepEqual(journal.decisions(5), [
    {
      answer: 'decline',
      updateId: 'update-1',
      manifestDigest: samplePack().base.digest,
      person: 'Dr. Sample',
      untilMs: null,
      timeMs: 77,
      state: 'WAIT_CONFIRM_BASE',
    },
  ]);
});

test('on a full disk an event is not accepted and the state stays', (t) => {
  const { journal } = journalFor(t, { maxBytes: 64 * 1024 });
  const machine = createMachine({ journal, now: () => 0 });
  const flip = () =>
    machine.accept(
      machine.snapshot().state === 'BUSY'
        ? { type: 'sdk_cmdready', disk: diskFor('no_patch_no_base') }
        : { type: 'sdk_cmdbusy' },
    );
  let answer = flip();
  while (answer.kind === 'moved') answer = flip();
  assert.deepEqual(answer, { kind: 'not_recorded', reason: 'disk_full' });
  const { state } = machine.snapshot();
  assert.equal(flip().kind, 'not_recorded');
  assert.equal(machine.snapshot().state, state);
});

describe('the stream of changes', () => {
  const ready = { type: 'sdk_cmdready', disk: diskFor('no_patch_no_base') } as const;

  /** Takes `count` items, or all until the stream ends. */
  async function take(
    machine: Machine,
    sequence: number,
    options: { count?: number; journal?: string; signal?: AbortSignal } = {},
  ): Promise<(StateChange['sequence'] | 'start_over')[]> {
    const { count = Number.POSITIVE_INFINITY, journal = 'the-journal' } = options;
    const { signal = new AbortController().signal } = options;
    const taken: (number | 'start_over')[] = [];
    for await (const item of machine.changes({ journal, sequence }, signal)) {
      taken.push(item.kind === 'changed' ? item.change.sequence : item.kind);
      if (taken.length === count) break;
    }
    return taken;
  }

  function machineWith(t: TestContext, transitions: number, maxChanges = 10_000): Machine {
    const { journal } = journalFor(t, { maxChanges });
    const machine = createMachine({ journal, now: () => 0 });
    for (let i = 0; i < transitions; i += 1) machine.accept(i % 2 === 0 ? ready : { type: 'sdk_cmdbusy' });
    return machine;
  }

  test('resumes after any sequence without a gap or a repetition', async (t) => {
    const machine = machineWith(t, 6);
    assert.deepEqual(await take(machine, 0, { count: 6 }), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await take(machine, 4, { count: 2 }), [5, 6]);
  });

  test('waits for the next change and hands it to every subscriber', async (t) => {
    const machine = machineWith(t, 2);
    const first = take(machine, 2, { count: 2 });
    const second = take(machine, 1, { count: 2 });
    machine.accept(ready);
    machine.accept({ type: 'sdk_cmdbusy' });
    assert.deepEqual(await first, [3, 4]);
    assert.deepEqual(await second, [2, 3]);
  });

  test('goes on where it was after the journal was closed and opened again', async (t) => {
    const { journal, directory } = journalFor(t);
    createMachine({ journal, now: () => 0 }).accept(ready);
    journal.close();
    const again = journalFor(t, { directory }).journal;
    const machine = createMachine({ journal: again, now: () => 0 });
    machine.accept({ type: 'sdk_cmdbusy' });
    assert.deepEqual(await take(machine, 0, { count: 2 }), [1, 2]);
  });

  test('ends when its signal aborts, also while it waits', async (t) => {
    const machine = machineWith(t, 1);
    const abort = new AbortController();
    const stream = take(machine, 0, { signal: abort.signal });
    const idle = take(machine, 1, { signal: abort.signal });
    await new Promise<void>((resolve) => setImmediate(resolve));
    abort.abort();
    assert.deepEqual(await stream, [1]);
    assert.deepEqual(await idle, []);
  });

  test('says to start over, and from where, to a cursor that is too old', async (t) => {
    const machine = machineWith(t, 20, 5);
    assert.deepEqual(await take(machine, 14), ['start_over']);
    assert.deepEqual(await take(machine, 15, { count: 5 }), [16, 17, 18, 19, 20]);
    const { signal } = new AbortController();
    const { value } = await machine.changes({ journal: 'the-journal', sequence: 0 }, signal).next();
    assert.deepEqual(value, { kind: 'start_over', now: { journal: 'the-journal', sequence: 20 } });
    assert.deepEqual(machine.cursor(), { journal: 'the-journal', sequence: 20 });
  });

  test('says to start over to a cursor of another journal or from the future', async (t) => {
    const machine = machineWith(t, 3);
    assert.deepEqual(await take(machine, 2, { journal: 'before the damage' }), ['start_over']);
    assert.deepEqual(await take(machine, 4), ['start_over']);
  });

  test('says to start over to a reader that is overtaken, after what it has already taken in hand', async (t) => {
    const machine = machineWith(t, 3, 5);
    const stream = machine.changes({ journal: 'the-journal', sequence: 0 }, new AbortController().signal);
    const first = await stream.next();
    assert.ok(first.value?.kind === 'changed' && first.value.change.sequence === 1);
    for (let i = 0; i < 10; i += 1) machine.accept(i % 2 === 0 ? { type: 'sdk_cmdbusy' } : ready);
    const rest: unknown[] = [];
    for await (const item of stream) rest.push(item.kind === 'changed' ? item.change.sequence : item.kind);
    assert.deepEqual(rest, [2, 3, 'start_over']);
  });
});
