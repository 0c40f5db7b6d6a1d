import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { BusyReasonSchema, ConsentSchema } from '@iotdh/proto/agent/v1';
import { openJournal } from '../../journal/open-journal.ts';
import { openLogStore } from './open-log-store.ts';
import { openStore } from './open-store.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens the stores as the agent does; closed after the test at the latest. */
function open(t: TestContext, folder: string) {
  const file = openJournal({ directory: join(folder, 'journal') });
  const path = join(folder, 'host.db');
  const store = openStore(file, path);
  const { logStore, setAside } = openLogStore({ path });
  function close() {
    file.journal.close();
    logStore.close();
  }
  t.after(close);
  return { ...file, store, logStore, setAside, close };
}

const text = (value: string) => Buffer.from(value);
const day = 86_400_000;
const hold = {
  leaseId: 'lease',
  requestId: 'request',
  reason: text('x'),
  startMs: 1,
  durationMs: 2,
  expireMs: 3,
};

test('what was written is there again, all of it or nothing', (t) => {
  const folder = folderFor(t);
  const first = open(t, folder);
  const write = () => {
    first.store.facts.put('version', text('7.2'));
    first.store.holds.insert(hold);
    first.store.moves.put('journal', 1, text('move'));
  };
  assert.equal(first.store.write(write), true);
  const bug = new Error('in the middle');
  const half = () => {
    first.store.holds.insert(hold);
    throw bug;
  };
  assert.throws(() => first.store.write(half), bug);
  first.close();
  const { store } = open(t, folder);
  assert.deepEqual(
    store.holds.all().map(({ id, reason, ...rest }) => ({ ...rest, reason: text('x') })),
    [hold],
  );
  assert.equal(Buffer.from(store.facts.get('version') ?? '').toString(), '7.2');
  assert.equal(store.moves.newest('journal'), 1);
});

test('answers are forgotten in time, also those of a clock that was ahead', (t) => {
  const { store } = open(t, folderFor(t));
  store.write(() => {
    store.answers.put('old', { digest: text('a'), timeMs: 0, response: text('answer') });
    store.answers.put('future', { digest: text('a'), timeMs: 3 * day, response: text('answer') });
    store.answers.put('new', { digest: text('b'), timeMs: day, response: text('answer') });
    store.answers.removeOutside(day, 2 * day);
  });
  assert.equal(store.answers.find('old'), null);
  assert.equal(store.answers.find('future'), null);
  assert.equal(store.answers.find('new')?.timeMs, day);
});

test('what an agent kept beside its journal is taken over, once, and its log lines stay where they are', (t) => {
  const folder = folderFor(t);
  mkdirSync(join(folder, 'journal'));
  const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);
  copyFileSync(fixture('journal-v1.db'), join(folder, 'journal', 'journal.db'));
  copyFileSync(fixture('host-v1.db'), join(folder, 'host.db'));
  const first = open(t, folder);
  const { store, logStore, journal } = first;
  assert.equal(first.damage, null);
  const [held, ...others] = store.holds.all();
  assert.deepEqual(others, []);
  assert.equal(held?.leaseId, 'f0c5eeb8-c029-4844-84f2-150abb62ca64');
  assert.equal(fromBinary(BusyReasonSchema, held.reason).text, 'exam');
  assert.ok(store.answers.find('00000000-0000-4000-8000-00000000000c'));
  assert.equal(fromBinary(ConsentSchema, store.consents.newest()[0]!.consent).person?.name, 'Jane Doe');
  assert.ok(store.facts.get('version'));
  assert.equal(store.moves.newest(journal.id), journal.sequence());
  assert.ok(logStore.lines.bytes() > 0);
  assert.ok(store.answers.find('00000000-0000-4000-8000-00000000000b'));
  store.write(() => store.holds.remove(held.id));
  first.close();
  assert.deepEqual(open(t, folder).store.holds.all(), []);
});

test('a damaged file beside the journal gives nothing and is set aside', (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'host.db'), 'no database at all'.repeat(1000));
  const { store, setAside } = open(t, folder);
  assert.equal(setAside, join(folder, 'host.db.damaged'));
  assert.deepEqual(store.holds.all(), []);
});
