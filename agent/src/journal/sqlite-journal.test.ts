import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { Effect } from '../machine/effect.ts';
import type { Journal, StateChange } from '../machine/journal.ts';
import { initialSnapshot } from '../machine/snapshot.ts';
import { samplePack, snapshotIn } from '../machine/testing/samples.ts';
import { updateOf } from '../machine/update.ts';
import { type OpenJournalOptions, openJournal } from './open-journal.ts';

function open(
  t: TestContext,
  options: Partial<OpenJournalOptions> = {},
): { journal: Journal; database: DatabaseSync; directory: string } {
  const parent = mkdtempSync(join(tmpdir(), 'iotdh-journal-'));
  const directory = join(parent, 'journal');
  const { journal, database } = openJournal({ directory, ...options });
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  t.after(() => journal.close());
  return { journal, database, directory };
}

/** The n-th change of an agent that becomes ready and busy in turn. */
function change(sequence: number): StateChange {
  const toReady = sequence % 2 === 1;
  return toReady
    ? { sequence, timeMs: 5, from: 'BUSY', event: 'sdk_cmdready', to: 'READY', update: null }
    : { sequence, timeMs: 5, from: 'READY', event: 'sdk_cmdbusy', to: 'BUSY', update: null };
}

function append(journal: Journal, alongside = () => {}): ReturnType<Journal['write']> {
  const sequence = journal.sequence() + 1;
  const snapshot = sequence % 2 === 1 ? snapshotIn('READY') : initialSnapshot;
  return journal.write({ snapshot, change: change(sequence), alongside });
}

const sizeOf = (directory: string) =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

test('the history keeps as many changes as it is told to, the newest', (t) => {
  const { journal } = open(t, { maxChanges: 10 });
  assert.equal(journal.oldestSequence(), 1);
  for (let i = 0; i < 25; i += 1) append(journal);
  assert.equal(journal.sequence(), 25);
  assert.equal(journal.oldestSequence(), 16);
  assert.deepEqual(
    journal.changesAfter(0, 100).map(({ sequence }) => sequence),
    [16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
  );
  assert.deepEqual(
    journal.changesAfter(20, 2).map(({ sequence }) => sequence),
    [21, 22],
  );
});

test('the answers that are kept are the newest', (t) => {
  const { journal } = open(t, { maxDecisions: 3 });
  for (let timeMs = 1; timeMs <= 5; timeMs += 1) {
    const about = { updateId: 'u', manifestDigest: 'd', person: 'Dr. Sample', untilMs: null };
    journal.write({ decision: { answer: 'decline', ...about, timeMs, state: 'WAIT_CONFIRM_PATCH' } });
  }
  assert.deepEqual(
    journal.decisions(100).map(({ timeMs }) => timeMs),
    [5, 4, 3],
  );
});

test('effects have ids that are never used twice, one batch for each write', (t) => {
  const { journal } = open(t);
  const ask: Effect = { kind: 'ask_assignment' };
  journal.write({ add: [ask, ask] });
  journal.write({ drop: [1, 2], add: [ask] });
  journal.write({ drop: [3] });
  journal.write({ add: [ask] });
  assert.deepEqual(journal.effects(), [{ id: 4, batch: 4, effect: ask, attempts: 0, setAside: false }]);
});

test('an effect that is gone is not brought back by its last attempt', (t) => {
  const { journal } = open(t);
  journal.write({ add: [{ kind: 'ask_assignment' }] });
  const [pending] = journal.effects();
  assert.ok(pending !== undefined);
  journal.write({ drop: [pending.id] });
  journal.write({ update: [{ ...pending, attempts: 1 }] });
  assert.deepEqual(journal.effects(), []);
});

test('a change that does not follow the last one is a bug and is not written', (t) => {
  const { journal } = open(t);
  append(journal);
  assert.throws(() => journal.write({ snapshot: initialSnapshot, change: change(3) }), /does not follow/);
  assert.equal(journal.sequence(), 1);
});

test('what could not be read back is not written, and the whole write with it', (t) => {
  const { journal } = open(t);
  append(journal);
  const pack = samplePack();
  pack.patch.version = 'x'.repeat(257);
  const update = updateOf(pack, 'patch');
  const bad = {
    snapshot: initialSnapshot,
    change: change(2),
    add: [{ kind: 'apply_patch', update }] as const,
  };
  assert.throws(() => journal.write(bad), /not a valid record/);
  assert.equal(journal.sequence(), 1);
  assert.equal(journal.snapshot().state, 'READY');
  assert.deepEqual(journal.effects(), []);
  assert.equal(journal.changesAfter(0, 10).length, 1);
  assert.deepEqual(append(journal), { kind: 'recorded' });
});

test('a full disk is an outcome, leaves everything as it was, and is over when there is room', (t) => {
  const maxBytes = 64 * 1024;
  const { journal, directory } = open(t, { maxBytes });
  const before = { sequence: -1, snapshot: initialSnapshot, effects: 0 };
  let outcome = append(journal);
  for (let i = 0; outcome.kind === 'recorded' && i < 10_000; i += 1) {
    before.sequence = journal.sequence();
    before.snapshot = journal.snapshot();
    before.effects = journal.effects().length;
    outcome = append(journal);
  }
  assert.deepEqual(outcome, { kind: 'not_recorded', reason: 'disk_full' });
  const after = () => ({
    sequence: journal.sequence(),
    snapshot: journal.snapshot(),
    effects: journal.effects().length,
  });
  assert.deepEqual(after(), before);
  assert.deepEqual(append(journal), { kind: 'not_recorded', reason: 'disk_full' });
  assert.deepEqual(after(), before);
  journal.close();

  const { journal: roomier } = openJournal({ directory });
  t.after(() => roomier.close());
  assert.equal(roomier.sequence(), before.sequence);
  assert.deepEqual(append(roomier), { kind: 'recorded' });
});

test('hundreds of transitions do not make the files grow without bound', (t) => {
  const { journal, database, directory } = open(t, { maxChanges: 50 });
  append(journal, () => database.exec('CREATE TABLE other (bytes BLOB)'));
  const large = 'DELETE FROM other; INSERT INTO other VALUES (zeroblob(400 * 1024))';
  for (let i = 0; i < 100; i += 1) append(journal, () => database.exec(large));
  // The log is emptied at 4000 pages of 4 KiB.
  assert.ok(sizeOf(directory) < 18_000_000, `${sizeOf(directory)} bytes`);
  assert.equal(journal.changesAfter(0, 1000).length, 50);
});

test('the log is emptied once nothing has been written for a while', (t) => {
  let look = () => {};
  const after = (_ms: number, callback: () => void) => {
    look = callback;
    return () => {};
  };
  const { journal, directory } = open(t, { after });
  const path = join(directory, 'journal.db');
  const before = statSync(path).size;
  for (let i = 0; i < 50; i += 1) append(journal);
  look();
  assert.equal(statSync(path).size, before);
  look();
  assert.ok(statSync(path).size > before);
});

test('what others write alongside sees the entry, and undoes it by throwing', (t) => {
  const { journal } = open(t);
  const sequences: number[] = [];
  append(journal, () => void sequences.push(journal.sequence(), journal.changesAfter(0, 10).length));
  assert.deepEqual(sequences, [1, 1]);
  const bug = new Error('a bug');
  const throws = () => {
    throw bug;
  };
  assert.throws(() => append(journal, throws), bug);
  assert.deepEqual([journal.sequence(), journal.changesAfter(0, 10).length], [1, 1]);
  assert.deepEqual(append(journal), { kind: 'recorded' });
});

test('a write is in the files when it returns', (t) => {
  const { journal, directory } = open(t);
  const person = 'a name that is nowhere else';
  const about = { updateId: 'u', manifestDigest: 'd', person, untilMs: null };
  journal.write({ decision: { answer: 'confirm', ...about, timeMs: 1, state: 'WAIT_CONFIRM_PATCH' } });
  const contents = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'latin1'));
  assert.ok(contents.some((content) => content.includes(person)));
});
