import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openLogStore } from './open-log-store.ts';

function pathFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'iotdh-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'api.db');
}

const text = (value: string) => Buffer.from(value);

test('what was written is there again', (t) => {
  const path = pathFor(t);
  const first = openLogStore({ path }).logStore;
  assert.equal(
    first.write(() => {
      first.lines.append(text('line'));
      first.answers.put('request', { digest: text('a'), timeMs: 1, response: text('answer') });
    }),
    true,
  );
  first.close();
  const { logStore: store, setAside } = openLogStore({ path });
  t.after(() => store.close());
  assert.equal(setAside, null);
  assert.equal(store.lines.bytes(), 4);
  assert.equal(store.answers.find('request')?.timeMs, 1);
});

test('a write is all or nothing, and the count of bytes goes back with it', (t) => {
  const { logStore: store } = openLogStore({ path: pathFor(t) });
  t.after(() => store.close());
  const bug = new Error('in the middle');
  const work = () => {
    store.lines.append(text('line'));
    throw bug;
  };
  assert.throws(() => store.write(work), bug);
  assert.equal(store.lines.bytes(), 0);
  assert.equal(store.lines.oldest(10, 10).length, 0);
});

test('a file that is full refuses, and takes again what fits once there is room', (t) => {
  const { logStore: store } = openLogStore({ path: pathFor(t), maxBytes: 160 * 1024 });
  t.after(() => store.close());
  const append = () => store.write(() => store.lines.append(new Uint8Array(8000)));
  let lines = 0;
  while (append()) lines += 1;
  assert.ok(lines > 3);
  assert.equal(store.lines.bytes(), lines * 8000);
  const oldest = store.lines.oldest(3, 16_000);
  assert.equal(oldest.length, 2);
  assert.equal(
    store.write(() => store.lines.removeUpTo(oldest[1]!.id)),
    true,
  );
  assert.equal(append(), true);
});

test('a damaged file is set aside and another one begun', (t) => {
  const path = pathFor(t);
  writeFileSync(path, 'no database at all'.repeat(1000));
  const { logStore: store, setAside } = openLogStore({ path });
  t.after(() => store.close());
  assert.equal(setAside, `${path}.damaged`);
  assert.ok(existsSync(`${path}.damaged`));
  assert.equal(store.lines.bytes(), 0);
});

test('a newer agent’s file is left as it is', (t) => {
  const path = pathFor(t);
  openLogStore({ path }).logStore.close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  assert.throws(() => openLogStore({ path }), /version 99/);
});
