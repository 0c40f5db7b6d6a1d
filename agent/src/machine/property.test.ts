import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openJournal } from '../journal/open-journal.ts';
import { isActivity } from './effect.ts';
import type { MachineEvent } from './event.ts';
import type { Journal } from './journal.ts';
import { type Answer, createMachine } from './machine.ts';
import { initialSnapshot, pendingUpdate, type Snapshot } from './snapshot.ts';
import { type EventName, events, findRow, guards, type State, table } from './table.ts';
import { journalFor } from './testing/journal.ts';
import { createRandom, type Random } from './testing/random.ts';
import { eventFor, notedOnly, samplePack, withoutBase } from './testing/samples.ts';

const names = [...events, ...notedOnly] as const;

/** Any event: about every other one fits the state; about the pending manifest or another, and one of a few packs. */
function anyEvent(random: Random, snapshot: Snapshot): MachineEvent {
  const whole = samplePack(`${random.below(6)}`);
  const pack = random.below(2) === 0 ? withoutBase(whole) : whole;
  const fitting = table.filter(([from]) => from === snapshot.state).map(([, name]) => name);
  const name = random.pick<(typeof names)[number]>(random.below(2) === 0 ? fitting : names);
  const event = eventFor(name, snapshot, { guard: random.pick(guards), pack });
  if (event.type === 'boot_sys' && random.below(2) === 0) return { ...event, proven: false };
  return 'manifestDigest' in event && random.below(5) === 0
    ? { ...event, manifestDigest: whole.base.digest }
    : event;
}

/** Whether the table has a row like this under some guard. */
const hasRow = (from: State, event: EventName, to: State) =>
  [null, ...guards].some((guard) => findRow(from, event, guard)?.[3] === to);

/** What must hold after every event, whatever it was. */
function consistent(journal: Journal, before: Snapshot, sequence: number, answer: Answer): void {
  const after = journal.snapshot();
  const owed = journal.effects();
  if (answer.kind === 'moved') {
    const { change } = answer;
    assert.equal(change.sequence, sequence + 1);
    assert.equal(journal.sequence(), sequence + 1);
    assert.equal(change.from, before.state);
    assert.equal(change.to, after.state);
    assert.ok(hasRow(change.from, change.event, change.to), `${change.from} ${change.event} ${change.to}`);
    assert.deepEqual(change.update, pendingUpdate(after));
  } else {
    assert.equal(journal.sequence(), sequence);
    assert.equal(after.state, before.state);
    if (answer.kind === 'refused') assert.deepEqual(after, before);
  }
  const activities = owed.map(({ effect }) => effect).filter(isActivity);
  assert.ok(activities.length <= 1, 'two activities at a time');
  for (const { update } of activities) assert.deepEqual(update, pendingUpdate(after));
  const { failedPatch } = after.memory;
  const pending = pendingUpdate(after);
  if (pending?.updateId === failedPatch)
    assert.equal(pending?.target ?? 'base', 'base', 'a failed patch again');
}

for (let seed = 1; seed <= 12; seed += 1) {
  test(`whatever happens in whatever order, the agent stays on its table (seed ${seed})`, (t) => {
    const random = createRandom(seed);
    const home = journalFor(t);
    let { journal } = home;
    let machine = createMachine({ journal, now: () => 0 });
    for (let step = 0; step < 250; step += 1) {
      if (random.below(40) === 0) {
        journal.close();
        journal = openJournal({ directory: home.directory }).journal;
        home.beforeClose(async () => journal.close());
        machine = createMachine({ journal, now: () => 0 });
      }
      const owed = journal.effects();
      if (random.below(3) === 0)
        journal.write({ drop: owed.slice(0, 1 + random.below(3)).map(({ id }) => id) });
      const before = journal.snapshot();
      const sequence = journal.sequence();
      consistent(journal, before, sequence, machine.accept(anyEvent(random, before)));
    }
    const history = journal.changesAfter(0, 1000);
    assert.ok(history.length > 50, `only ${history.length} transitions`);
    let state: State = initialSnapshot.state;
    for (const [index, change] of history.entries()) {
      assert.equal(change.sequence, index + 1);
      assert.equal(change.from, state);
      state = change.to;
    }
    assert.equal(state, journal.snapshot().state);
  });
}

test('the update that ended last never comes back, whatever is offered or lies on disk', (t) => {
  const { journal } = journalFor(t);
  const machine = createMachine({ journal, now: () => 0 });
  const random = createRandom(7);
  for (let step = 0; step < 500; step += 1) {
    machine.accept(anyEvent(random, machine.snapshot()));
    const snapshot = machine.snapshot();
    const { finished } = snapshot.memory;
    if (finished !== null) assert.notEqual(pendingUpdate(snapshot)?.updateId, finished.updateId);
  }
});
