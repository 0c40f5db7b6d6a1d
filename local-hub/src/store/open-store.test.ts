import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { isHubError } from '../engine/error.ts';
import { openStore } from './open-store.ts';
import type { CommandRow, EventRow, Store } from './store.ts';

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'hub-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function open(t: TestContext, dataDir: string | undefined, options = {}): Store {
  const store = openStore({ dataDir, ...options });
  t.after(() => store.close());
  return store;
}

const command = (sequence: number): CommandRow => ({
  sequence,
  deviceId: 'd1',
  generationId: 'g1',
  enqueuedMs: 1,
  expiresMs: 2,
  deliveryCount: 0,
  ack: 'full',
  messageId: `m${sequence}`,
});

const event = (sequence: number, bytes = 100): EventRow => ({
  sequence,
  offset: sequence * 1_000,
  enqueuedMs: sequence,
  deviceId: 'd1',
  header: '{}',
  body: Buffer.alloc(bytes, sequence),
});

for (const kind of ['on disk', 'in memory'] as const) {
  test(`what was written can be read back, ${kind}`, async (t) => {
    const store = open(t, kind === 'on disk' ? temporaryDirectory(t) : undefined);
    const content = { header: '{"system":{}}', body: Buffer.from([0, 255, 13, 10]) };
    await Promise.all([
      store.documents.put('twin', 'd1', { desired: { a: 1 } }),
      store.documents.put('twin', 'd1', { desired: { a: 2 } }),
      store.documents.put('identity', 'd2', 'gone'),
      store.documents.remove('identity', 'd2'),
      store.commands.add(command(1), content),
      store.commands.add(command(2), content),
      store.commands.setDeliveryCount(2, 3),
      store.commands.remove(1),
      store.feeds.add(
        { sequence: 1, feed: 'feedback', enqueuedMs: 1, expiresMs: 2, deliveryCount: 0 },
        Buffer.from('[]'),
      ),
      store.feedbackRecords.add(1, '{}'),
      store.events.append(2, event(7)),
    ]);

    assert.deepEqual([...store.documents.load('twin')], [{ id: 'd1', value: { desired: { a: 2 } } }]);
    assert.deepEqual([...store.documents.load('identity')], []);
    assert.deepEqual(
      [...store.commands.load()].map((row) => ({ ...row })),
      [{ ...command(2), deliveryCount: 3 }],
    );
    assert.deepEqual(store.commands.content(2), content);
    assert.equal(store.commands.content(1), undefined);
    assert.equal(store.feeds.body(1)?.toString(), '[]');
    assert.deepEqual([...store.feeds.load('fileNotifications')], []);
    assert.deepEqual(
      [...store.feedbackRecords.load()].map((row) => ({ ...row })),
      [{ sequence: 1, record: '{}' }],
    );
    assert.deepEqual(store.events.read(2, 0, { maxCount: 10, maxBytes: 1_000 }), [event(7)]);
    assert.deepEqual(store.events.read(1, 0, { maxCount: 10, maxBytes: 1_000 }), []);
  });
}

test('a reopened store has everything, and reuses no sequence', async (t) => {
  const dataDir = temporaryDirectory(t);
  const first = open(t, dataDir, { partitionCount: 2 });
  void first.commands.add(command(41), { header: '{}', body: Buffer.from('x') });
  void first.commands.remove(41);
  void first.events.append(1, event(5));
  void first.events.append(1, event(6));
  void first.events.trim(1, { sequence: 6, offset: 6_000, enqueuedMs: 6 });
  await first.close();

  const second = open(t, dataDir, { partitionCount: 8 });
  assert.equal(second.commands.nextSequence(), 42);
  assert.equal(second.events.partitionCount, 2, 'the number of partitions never changes');
  assert.equal(second.events.lastPosition(1), undefined);
  assert.deepEqual({ ...second.events.trimmedThrough(1) }, { sequence: 6, offset: 6_000, enqueuedMs: 6 });
  await second.close();
  await assert.rejects(second.documents.put('twin', 'd', {}), (error) =>
    isHubError(error, 'StorageUnavailable'),
  );
});

test('its files are readable by the owner alone', { skip: process.platform === 'win32' }, async (t) => {
  const dataDir = temporaryDirectory(t);
  const store = open(t, dataDir);
  await store.documents.put('policy', 'service', 'key');
  for (const file of ['hub.db', 'hub.db-wal'])
    assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600);
});

test('a read stops at its limits, but returns at least one event', async (t) => {
  const store = open(t, undefined);
  for (let sequence = 0; sequence < 5; sequence += 1) void store.events.append(0, event(sequence, 1_000));
  await store.flushed();
  const sequences = (from: number, maxCount: number, maxBytes: number) =>
    store.events.read(0, from, { maxCount, maxBytes }).map((row) => row.sequence);
  assert.deepEqual(sequences(1, 2, 100_000), [1, 2]);
  assert.deepEqual(sequences(0, 100, 3_100), [0, 1, 2]);
  assert.deepEqual(sequences(3, 100, 1), [3]);
});

test('what is queued atomically fails together, and takes nothing else with it', async (t) => {
  const store = open(t, temporaryDirectory(t));
  const content = { header: '{}', body: Buffer.from('x') };
  await store.commands.add(command(1), content);

  const before = store.documents.put('twin', 'before', {});
  const unit = store.atomically(() => {
    void store.documents.put('twin', 'inside', {});
    return store.commands.add(command(1), content);
  });
  const after = store.documents.put('twin', 'after', {});

  await assert.rejects(unit, (error) => isHubError(error, 'StorageUnavailable'));
  await Promise.all([before, after]);
  assert.deepEqual(
    [...store.documents.load('twin')].map(({ id }) => id),
    ['after', 'before'],
  );
});

test('a callback that throws queues nothing', async (t) => {
  const store = open(t, undefined);
  assert.throws(() =>
    store.atomically(() => {
      void store.documents.put('twin', 'd1', {});
      throw new Error('no');
    }),
  );
  await store.documents.put('twin', 'd2', {});
  assert.deepEqual([...store.documents.load('twin')], [{ id: 'd2', value: {} }]);
});

test('a full disk refuses writes, keeps what it acknowledged, and recovers when space returns', async (t) => {
  const dataDir = temporaryDirectory(t);
  const store = open(t, dataDir, { maxFileBytes: 2 * 1_048_576 });
  const body = Buffer.alloc(60 * 1_024, 1);
  const acknowledged: number[] = [];
  const refused: number[] = [];
  await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      store.commands.add(command(index + 1), { header: '{}', body }).then(
        () => acknowledged.push(index + 1),
        (error) => {
          assert.ok(isHubError(error, 'StorageUnavailable'), String(error));
          refused.push(index + 1);
        },
      ),
    ),
  );
  assert.ok(acknowledged.length > 10 && refused.length > 10, `${acknowledged.length} and ${refused.length}`);
  const stored = () => [...store.commands.load()].map((row) => row.sequence);
  assert.deepEqual(stored(), acknowledged);

  await Promise.all(acknowledged.slice(0, 5).map((sequence) => store.commands.remove(sequence)));
  await store.commands.add(command(100), { header: '{}', body });
  assert.deepEqual(stored(), [...acknowledged.slice(5), 100]);
});

test('a directory has one hub at a time', (t) => {
  const dataDir = temporaryDirectory(t);
  open(t, dataDir);
  assert.throws(() => openStore({ dataDir }), /another hub is running/);
});

test('a database of a newer release is refused and left alone', async (t) => {
  const dataDir = temporaryDirectory(t);
  await open(t, dataDir).close();
  const database = new DatabaseSync(join(dataDir, 'hub.db'));
  database.exec('PRAGMA user_version = 999');
  database.close();
  assert.throws(() => openStore({ dataDir }), /schema version 999.*newer release/);
  assert.throws(() => openStore({ dataDir }), /schema version 999/, 'the lock was released');
});

test('partition counts that IoT Hub does not have are refused', () => {
  for (const partitionCount of [0, 33, 1.5]) {
    assert.throws(() => openStore({ dataDir: undefined, partitionCount }), RangeError);
  }
});
