import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openStore } from './open-store.ts';

function pathFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'iotdh-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'api.db');
}

const text = (value: string) => Buffer.from(value);
const day = 86_400_000;

test('what was written is there again', (t) => {
  const path = pathFor(t);
  const first = openStore({ path }).store;
  const hold = {
    leaseId: 'lease',
    requestId: 'request',
    reason: text('x'),
    startMs: 1,
    durationMs: 2,
    expireMs: 3,
  };
  assert.equal(
    first.write(() => {
      first.facts.put('version', text('7.2'));
      first.holds.insert(hold);
      first.log.append(text('line'));
      first.moves.put('journal', 1, text('move'));
    }),
    true,
  );
  first.close();
  const { store, setAside } = openStore({ path });
  t.after(() => store.close());
  assert.equal(setAside, null);
  assert.deepEqual(
    store.holds.all().map(({ id, reason, ...rest }) => ({ ...rest, reason: text('x') })),
    [hold],
  );
  assert.equal(Buffer.from(store.facts.get('version') ?? '').toString(), '7.2');
  assert.equal(store.log.bytes(), 4);
  assert.equal(store.moves.newest('journal'), 1);
});

test('a write is all or nothing, and the count of bytes goes back with it', (t) => {
  const { store } = openStore({ path: pathFor(t) });
  t.after(() => store.close());
  const bug = new Error('in the middle');
  const work = () => {
    store.log.append(text('line'));
    throw bug;
  };
  assert.throws(() => store.write(work), bug);
  assert.equal(store.log.bytes(), 0);
  assert.equal(store.log.oldest(10, 10).length, 0);
});

test('a file that is full refuses, and takes again what fits once there is room', (t) => {
  const { store } = openStore({ path: pathFor(t), maxBytes: 160 * 1024 });
  t.after(() => store.close());
  const append = () => store.write(() => store.log.append(new Uint8Array(8000)));
  let lines = 0;
  while (append()) lines += 1;
  assert.ok(lines > 3);
  assert.equal(store.log.bytes(), lines * 8000);
  const oldest = store.log.oldest(3, 16_000);
  assert.equal(oldest.length, 2);
  assert.equal(
    store.write(() => store.log.removeUpTo(oldest[1]!.id)),
    true,
  );
  assert.equal(append(), true);
});

test('a damaged file is set aside and another one begun', (t) => {
  const path = pathFor(t);
  writeFileSync(path, 'no database at all'.repeat(1000));
  const { store, setAside } = openStore({ path });
  t.after(() => store.close());
  assert.equal(setAside, `${path}.damaged`);
  assert.ok(existsSync(`${path}.damaged`));
  assert.deepEqual(store.holds.all(), []);
});

test('a newer agent’s file is left as it is', (t) => {
  const path = pathFor(t);
  openStore({ path }).store.close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  assert.throws(() => openStore({ path }), /version 99/);
});

test('answers are kept until they are forgotten, and moves of one journal only', (t) => {
  const { store } = openStore({ path: pathFor(t) });
  t.after(() => store.close());
  store.write(() => {
    store.answers.put('old', { digest: text('a'), timeMs: 0, response: null });
    store.answers.put('new', { digest: text('b'), timeMs: day, response: text('answer') });
    store.answers.removeBefore(day);
    store.moves.put('first', 9, text('a'));
    store.moves.put('second', 1, text('b'));
  });
  assert.equal(store.answers.find('old'), null);
  assert.equal(store.answers.find('new')?.timeMs, day);
  assert.equal(store.moves.get('first', 9), null);
  assert.equal(store.moves.newest('second'), 1);
});
