import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openStore } from '../store/open-store.ts';
import type { DeviceAuth } from './authentication.ts';
import { createManualClock } from './clock.ts';
import { type HubErrorCode, isHubError } from './error.ts';
import type { HubMessage } from './message.ts';
import { type Cursor, createTelemetry, type StartPosition, type TelemetrySettings } from './telemetry.ts';

const auth: DeviceAuth = {
  deviceId: 'd1',
  generationId: 'g1',
  authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' },
};

type WorldOptions = Partial<TelemetrySettings> & { partitionCount?: number };

function createWorld(
  t: TestContext,
  { partitionCount = 1, ...settings }: WorldOptions = {},
  store = openStore({ dataDir: undefined, partitionCount }),
) {
  const clock = createManualClock();
  const metered: [number, string][] = [];
  const taken: string[] = [];
  const throttles = {
    take: async (kind: string) => void taken.push(kind),
    meter: (bytes: number, kind: string) => void metered.push([bytes, kind]),
  };
  const telemetry = createTelemetry({ store, clock, throttles, settings });
  t.after(async () => {
    telemetry.stop();
    await store.close();
  });
  const append = (text: string, deviceId = 'd1') =>
    telemetry.append({ deviceId, auth, message: message(text) });
  const appendAll = (texts: readonly string[]) => Promise.all(texts.map((text) => append(text)));
  let diskReads = 0;
  const { read } = store.events;
  store.events.read = (...parameters) => {
    diskReads += 1;
    return read(...parameters);
  };
  return { store, clock, telemetry, append, appendAll, metered, taken, diskReads: () => diskReads };
}

function message(text: string): HubMessage {
  return { body: Buffer.from(text), system: {}, properties: {} };
}

const texts = (cursor: Cursor, maxCount = 1_000) =>
  cursor.read(maxCount).map((event) => event.message.body.toString());
const refuses = (code: HubErrorCode) => (error: unknown) => isHubError(error, code);
const letters = ['a', 'b', 'c', 'd', 'e', 'f'];

test('an event is read as it was sent, with what the hub knows of its sender', async (t) => {
  const { telemetry, clock } = createWorld(t);
  const sent: HubMessage = {
    body: Buffer.from([0, 1, 255]),
    system: { messageId: 'm', contentType: 'application/json', contentEncoding: 'utf-8' },
    properties: { zebra: '1', alpha: '' },
  };
  const cursor = telemetry.open(0, 'latest');
  const fromDisk = telemetry.open(0, 'earliest');
  await telemetry.append({ deviceId: 'd1', auth, message: sent, source: 'twinChangeEvents' });
  const [event] = cursor.read(1);
  assert.deepEqual(event, {
    sequence: 0,
    offset: '0',
    enqueuedTimeMs: clock.now(),
    deviceId: 'd1',
    generationId: 'g1',
    authMethod: auth.authMethod,
    source: 'twinChangeEvents',
    message: sent,
  });
  assert.deepEqual(fromDisk.read(1), [event]);
});

test('a device stays in its partition, and many devices use all partitions', async (t) => {
  const { telemetry, append } = createWorld(t, { partitionCount: 4 });
  assert.deepEqual(telemetry.partitionIds, ['0', '1', '2', '3']);
  const devices = Array.from({ length: 100 }, (_, index) => `workstation-${index}`);
  await Promise.all(devices.map((deviceId) => append('x', deviceId)));
  const counts = [0, 1, 2, 3].map((partition) => {
    const events = telemetry.open(partition, 'earliest').read(1_000);
    for (const { deviceId } of events) assert.equal(telemetry.partitionOf(deviceId), partition);
    return events.length;
  });
  assert.equal(
    counts.reduce((a, b) => a + b),
    100,
  );
  for (const count of counts) assert.ok(count > 10, `${counts}`);
  // Recorded once: another value would scatter the devices of existing hubs.
  assert.equal(telemetry.partitionOf('workstation-7'), 0);
});

test('sequences and offsets rise, and times never fall', async (t) => {
  const { telemetry, append, clock } = createWorld(t);
  await append('a');
  clock.advance(10);
  await append('b');
  clock.advance(-5_000);
  await append('c');
  const events = telemetry.open(0, 'earliest').read(10);
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    [0, 1, 2],
  );
  const offsets = events.map(({ offset }) => Number(offset));
  assert.ok(offsets[0]! < offsets[1]! && offsets[1]! < offsets[2]!);
  assert.equal(events[2]?.enqueuedTimeMs, events[1]?.enqueuedTimeMs);
});

for (const kind of ['from memory', 'from disk'] as const) {
  test(`a reader begins where it asks to, ${kind}`, async (t) => {
    const { telemetry, append, clock } = createWorld(t, kind === 'from disk' ? { maxTailBytes: 0 } : {});
    const startMs = clock.now();
    for (const letter of letters) {
      await append(letter);
      clock.advance(1_000);
    }
    const at = (start: StartPosition) => texts(telemetry.open(0, start)).join('');
    const offsets = telemetry
      .open(0, 'earliest')
      .read(10)
      .map(({ offset }) => offset);
    assert.equal(at('earliest'), 'abcdef');
    assert.equal(at('latest'), '');
    assert.equal(at({ sequence: 2, inclusive: true }), 'cdef');
    assert.equal(at({ sequence: 2, inclusive: false }), 'def');
    assert.equal(at({ sequence: 5, inclusive: false }), '');
    assert.equal(at({ sequence: -1, inclusive: false }), 'abcdef');
    assert.equal(at({ offset: offsets[2]!, inclusive: true }), 'cdef');
    assert.equal(at({ offset: offsets[2]!, inclusive: false }), 'def');
    assert.equal(at({ offset: String(Number(offsets[2]) + 1), inclusive: true }), 'def');
    assert.equal(at({ offset: '-1', inclusive: false }), 'abcdef');
    assert.equal(at({ enqueuedTimeMs: startMs + 2_000, inclusive: true }), 'cdef');
    assert.equal(at({ enqueuedTimeMs: startMs + 2_000, inclusive: false }), 'def');
    assert.equal(at({ enqueuedTimeMs: startMs + 2_500, inclusive: true }), 'def');
    assert.equal(at({ enqueuedTimeMs: 0, inclusive: true }), 'abcdef');
    assert.equal(at({ enqueuedTimeMs: startMs + 3_600_000, inclusive: true }), '');
  });
}

test('a position beyond the end is refused, as Event Hubs does', async (t) => {
  const { telemetry, append } = createWorld(t);
  await append('a');
  const open = (start: StartPosition) => () => telemetry.open(0, start);
  assert.throws(
    open({ sequence: 7, inclusive: true }),
    (error) =>
      isHubError(error, 'ArgumentInvalid') && /'7' is invalid.*last sequence.*'0'/.test(error.message),
  );
  assert.throws(open({ sequence: 0.5, inclusive: true }), refuses('ArgumentInvalid'));
  assert.throws(open({ offset: '99999', inclusive: true }), refuses('ArgumentInvalid'));
  for (const offset of ['', 'x', '@latest', '-2', '1e9', '0x10', '9'.repeat(50)]) {
    assert.throws(open({ offset, inclusive: false }), refuses('ArgumentInvalid'), offset);
  }
  assert.throws(() => telemetry.open(1, 'earliest'), refuses('NotFound'));
  assert.throws(() => telemetry.info(-1), refuses('NotFound'));
});

test('a reader that keeps up never touches the disk; one that fell behind does, and catches up', async (t) => {
  const { telemetry, appendAll, diskReads } = createWorld(t, { maxTailBytes: 6_000 });
  const live = telemetry.open(0, 'latest');
  const slow = telemetry.open(0, 'latest');
  const before = diskReads();
  const numbers = Array.from({ length: 100 }, (_, index) => `${index}`);
  const seen: string[] = [];
  for (let index = 0; index < 100; index += 5) {
    await appendAll(numbers.slice(index, index + 5));
    seen.push(...texts(live));
  }
  assert.deepEqual(seen, numbers);
  assert.equal(diskReads(), before);
  const late = [...texts(slow, 30), ...texts(slow, 30), ...texts(slow, 100), ...texts(slow, 100)];
  assert.deepEqual(late, numbers);
  assert.ok(diskReads() > before);
});

test('one read returns about 1 MiB at most', async (t) => {
  const { telemetry, append } = createWorld(t);
  const big = 'x'.repeat(200_000);
  for (let index = 0; index < 8; index += 1) await append(big);
  assert.equal(telemetry.open(0, 'earliest').read(100).length, 5);
  assert.equal(telemetry.open(0, { sequence: 6, inclusive: true }).read(100).length, 2);
});

test('readers are told of new events, once for what became durable together', async (t) => {
  const { telemetry, append, appendAll } = createWorld(t);
  const cursor = telemetry.open(0, 'latest');
  let told = 0;
  const stop = cursor.onAvailable(() => {
    told += 1;
  });
  cursor.onAvailable(() => {
    assert.ok(texts(cursor).length > 0, 'there is something to read when it is told');
  });
  await appendAll(letters);
  await nextTurn();
  assert.equal(told, 1);
  stop();
  await append('g');
  cursor.close();
  await append('h');
  assert.equal(told, 1);
});

test('nothing is readable before it is durable, and what failed leaves a gap at most', async (t) => {
  const { telemetry, append, store } = createWorld(t);
  const cursor = telemetry.open(0, 'latest');
  const realAppend = store.events.append;
  const gate = Promise.withResolvers<void>();
  store.events.append = async (...row) => {
    await gate.promise;
    return realAppend(...row);
  };
  const pending = append('a');
  await nextTurn();
  assert.equal(telemetry.info(0).isEmpty, true);
  assert.deepEqual(texts(cursor), []);
  gate.resolve();
  await pending;
  store.events.append = () => Promise.reject(new Error('disk full'));
  await assert.rejects(append('lost'), /disk full/);
  store.events.append = realAppend;
  await append('b');
  assert.deepEqual(texts(cursor), ['a', 'b']);
  assert.deepEqual(texts(telemetry.open(0, { sequence: 1, inclusive: true })), ['b']);
  assert.deepEqual(texts(telemetry.open(0, { sequence: 0, inclusive: false })), ['b']);
});

test('256 KiB with properties is the most that an event may have', async (t) => {
  const { append } = createWorld(t);
  await append('x'.repeat(262_144));
  await assert.rejects(append('x'.repeat(262_145)), refuses('MessageTooLarge'));
});

test('what devices send is throttled and metered, what the hub says is not', async (t) => {
  const { telemetry, append, metered, taken } = createWorld(t);
  await append('abc');
  await telemetry.append({ deviceId: 'd1', auth, message: message('{}'), source: 'twinChangeEvents' });
  assert.deepEqual(taken, ['d2cSend']);
  assert.deepEqual(metered, [[3, 'd2c']]);
});

test('events older than the retention are removed, in memory and on disk', async (t) => {
  const { telemetry, append, clock, store } = createWorld(t, { retentionMs: 10_000_000 });
  for (let index = 0; index < 3; index += 1) await append(`old ${index}`);
  clock.advance(9_999_000);
  await append('new');
  clock.advance(60_000);
  await store.flushed();
  await nextTurn();
  const info = telemetry.info(0);
  assert.equal(info.beginningSequenceNumber, 3);
  assert.equal(info.lastSequenceNumber, 3);
  assert.deepEqual(texts(telemetry.open(0, 'earliest')), ['new']);
  assert.deepEqual(texts(telemetry.open(0, { sequence: 0, inclusive: true })), ['new']);
  assert.equal(store.events.positionFrom(0, 0)?.sequence, 3);
});

test('the oldest events go when there is more than may be kept', async (t) => {
  const { telemetry, append, clock, store } = createWorld(t, { retentionBytes: 500_000 });
  const kilobyte = 'x'.repeat(1_000);
  await Promise.all(Array.from({ length: 1_500 }, () => append(kilobyte)));
  clock.advance(60_000);
  for (let step = 0; step < 5; step += 1) {
    await store.flushed();
    await nextTurn();
  }
  const { beginningSequenceNumber, lastSequenceNumber } = telemetry.info(0);
  assert.equal(lastSequenceNumber, 1_499);
  assert.ok(beginningSequenceNumber > 1_000 && beginningSequenceNumber < 1_200, `${beginningSequenceNumber}`);
  assert.equal(store.events.positionFrom(0, 0)?.sequence, beginningSequenceNumber);
});

test('after a restart the log goes on where it ended, also when retention has emptied it', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hub-log-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const first = createWorld(t, {}, openStore({ dataDir, partitionCount: 1 }));
  await first.appendAll(['a', 'b']);
  const { createdMs } = first.telemetry;
  const before = first.telemetry.info(0);
  await first.store.close();

  const second = createWorld(t, { retentionMs: 1_000 }, openStore({ dataDir }));
  assert.deepEqual(second.telemetry.info(0), before);
  assert.deepEqual(texts(second.telemetry.open(0, 'earliest')), ['a', 'b']);
  await second.append('c');
  assert.deepEqual(texts(second.telemetry.open(0, { offset: before.lastOffset, inclusive: false })), ['c']);
  assert.deepEqual(texts(second.telemetry.open(0, { sequence: 0, inclusive: false })), ['b', 'c']);
  const last = second.telemetry.info(0);
  for (const ms of [0, 120_000]) {
    second.clock.advance(ms);
    await second.store.flushed();
    await nextTurn();
  }
  assert.equal(second.telemetry.info(0).isEmpty, true);
  await second.store.close();

  const third = createWorld(t, {}, openStore({ dataDir }));
  third.clock.advance(86_400_000);
  assert.equal(third.telemetry.createdMs, createdMs);
  assert.equal(third.telemetry.info(0).lastSequenceNumber, 2);
  assert.equal(third.telemetry.info(0).isEmpty, true);
  await third.append('d');
  const [event] = third.telemetry.open(0, 'earliest').read(10);
  assert.equal(event?.sequence, 3);
  assert.ok(Number(event?.offset) > Number(last.lastOffset));
});
