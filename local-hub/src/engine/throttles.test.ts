import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { createFaults } from './faults.ts';
import { limitsOf, type Sku } from './throttle-limits.ts';
import { openThrottles, type ThrottlesOptions } from './throttles.ts';

const dayMs = 86_400_000;

function open(options: Partial<ThrottlesOptions> = {}) {
  const store = createFakeDocuments();
  const clock = createManualClock(Date.UTC(2026, 0, 1, 12));
  const faults = createFaults();
  const base = { profile: { sku: 'S1', units: 1 }, store, clock, faults } as const;
  return { store, clock, faults, throttles: openThrottles({ ...base, ...options }) };
}

test('the limits are those of the published table', () => {
  const perMinute = (rate: number) => Math.round(rate * 60);
  const rows: [Sku, number, Record<string, number>][] = [
    [
      'F1',
      1,
      { d2c: 100, connect: 100, twinRead: 100, twinUpdate: 50, c2d: 100, query: 20, messages: 8_000 },
    ],
    [
      'S1',
      1,
      { d2c: 100, connect: 100, twinRead: 100, twinUpdate: 50, c2d: 100, query: 20, messages: 400_000 },
    ],
    [
      'S1',
      9,
      { d2c: 108, connect: 108, twinRead: 100, twinUpdate: 50, c2d: 900, query: 180, messages: 3_600_000 },
    ],
    [
      'S2',
      1,
      { d2c: 120, connect: 120, twinRead: 100, twinUpdate: 50, c2d: 100, query: 20, messages: 6_000_000 },
    ],
    [
      'S2',
      20,
      {
        d2c: 2400,
        connect: 2400,
        twinRead: 200,
        twinUpdate: 100,
        c2d: 2000,
        query: 400,
        messages: 120_000_000,
      },
    ],
    [
      'S3',
      1,
      {
        d2c: 6000,
        connect: 6000,
        twinRead: 500,
        twinUpdate: 250,
        c2d: 5000,
        query: 1000,
        messages: 300_000_000,
      },
    ],
  ];
  for (const [sku, units, expected] of rows) {
    const { perSecond, dailyMessages } = limitsOf({ sku, units });
    const actual = {
      d2c: perSecond.d2cSend,
      connect: perSecond.connect,
      twinRead: perSecond.twinRead,
      twinUpdate: perSecond.twinUpdate,
      c2d: perMinute(perSecond.c2dSend),
      query: perMinute(perSecond.query),
      messages: dailyMessages,
    };
    assert.deepEqual(actual, expected, `${sku} ${units}`);
    assert.equal(perMinute(perSecond.registry), sku === 'S3' ? 5000 * units : 100 * units);
    assert.equal(perMinute(perSecond.fileUpload), sku === 'S3' ? 5000 * units : 100 * units);
  }
  assert.equal(limitsOf({ sku: 'S1', units: 2 }).perSecond.methodBytes, 2 * 160 * 1024);
  assert.equal(limitsOf({ sku: 'S2', units: 1 }).perSecond.methodBytes, 480 * 1024);
  assert.equal(limitsOf({ sku: 'S3', units: 1 }).perSecond.methodBytes, 24 * 1024 * 1024);
});

test('a hub that cannot be bought is refused', () => {
  for (const [sku, units] of [
    ['F1', 2],
    ['S1', 0],
    ['S1', 201],
    ['S3', 11],
    ['S1', 1.5],
    ['B9', 1],
    ['constructor' as Sku, 1],
  ] as [Sku, number][]) {
    assert.throws(() => limitsOf({ sku, units }), {
      code: 'ArgumentInvalid',
      message: /Choose F1 with 1 to 1/,
    });
  }
});

test('cloud-to-device sends of one S1 unit: 100 at once, then delayed, then refused', async () => {
  const { throttles, clock } = open();
  for (let index = 0; index < 100; index += 1) await throttles.take('c2dSend');
  let delayed = 0;
  const waiting = Array.from({ length: 16 }, () =>
    throttles.take('c2dSend').then(() => {
      delayed += 1;
    }),
  );
  await assert.rejects(throttles.take('c2dSend'), { code: 'Throttled', message: /c2dSend.*S1 with 1 unit/ });
  await throttles.take('d2cSend');
  clock.advance(10_000);
  await Promise.all(waiting);
  assert.equal(delayed, 16);
  assert.deepEqual(throttles.excess().c2dSend, { delayed: 16, refused: 1 });
  assert.deepEqual(throttles.excess().d2cSend, { delayed: 0, refused: 0 });
});

test('without throttles nothing waits, but everything is counted', async () => {
  const { throttles } = open({ profile: 'off' });
  for (let index = 0; index < 10_000; index += 1) await throttles.take('query');
  throttles.meter(4097, 'c2d');
  const { messages, limit, byKind } = throttles.ledger();
  assert.deepEqual({ messages, limit, c2d: byKind.c2d }, { messages: 2, limit: undefined, c2d: 2 });
});

test('calls of direct methods are limited by their bytes only', async () => {
  const { throttles } = open();
  for (let index = 0; index < 10_000; index += 1) await throttles.take('method');
  await throttles.take('methodBytes', 160 * 1024 * 60);
  await assert.rejects(throttles.take('methodBytes', 160 * 1024 * 11), { code: 'Throttled' });
});

test('an injected throttle refuses the device that it names, whatever the profile', async () => {
  const { throttles, faults } = open({ profile: 'off' });
  faults.inject({ kind: 'throttle', deviceId: 'd1' });
  await throttles.take('c2dSend', 1, 'd2');
  await assert.rejects(throttles.take('c2dSend', 1, 'd1'), { code: 'Throttled', message: /injected/ });
  await throttles.take('c2dSend', 1, 'd1');
});

test('the quota counts in chunks of 4 KiB, or of 512 bytes in a free hub', () => {
  const { throttles } = open();
  for (const bytes of [0, 1, 4096, 4097, 60 * 1024]) throttles.meter(bytes, 'd2c');
  throttles.meter(1, 'twin');
  const { messages, byKind, operationsByKind } = throttles.ledger();
  assert.equal(byKind.d2c, 1 + 1 + 1 + 2 + 15);
  assert.equal(messages, byKind.d2c + 1);
  assert.deepEqual([operationsByKind.d2c, operationsByKind.twin], [5, 1]);
  const free = open({ profile: { sku: 'F1', units: 1 } }).throttles;
  free.meter(4096, 'd2c');
  assert.equal(free.ledger().messages, 8);
});

test('a used-up quota refuses until midnight UTC', () => {
  const { throttles, clock } = open({ profile: { sku: 'F1', units: 1 } });
  throttles.meter(8_000 * 512, 'c2d');
  assert.throws(() => throttles.meter(1, 'd2c'), {
    code: 'QuotaExceeded',
    message: /8000 messages a day.*00:00 UTC/,
  });
  clock.advance(dayMs / 2 - 1);
  assert.throws(() => throttles.meter(1, 'd2c'), { code: 'QuotaExceeded' });
  clock.advance(1);
  throttles.meter(1, 'd2c');
  const { day, messages } = throttles.ledger();
  assert.deepEqual({ day, messages }, { day: '2026-01-02', messages: 1 });
});

test('the ledger survives a restart within its day, at most a second old', async () => {
  const { throttles, clock, store, faults } = open();
  const profile = { sku: 'S1', units: 1 } as const;
  const restart = () => openThrottles({ profile, store: createFakeDocuments(store.stored), clock, faults });
  throttles.meter(1, 'd2c');
  throttles.meter(1, 'd2c');
  assert.equal(restart().ledger().messages, 0);
  clock.advance(1000);
  assert.equal(restart().ledger().messages, 2);
  throttles.meter(1, 'c2d');
  await throttles.stop();
  assert.deepEqual(restart().ledger().byKind, { d2c: 2, c2d: 1, twin: 0, method: 0, fileUpload: 0 });
  clock.advance(dayMs);
  assert.equal(restart().ledger().messages, 0);
});

test('a ledger that an earlier version wrote, without operations, still loads', () => {
  const { clock, faults, store } = open();
  const value = { dayNumber: Math.floor(clock.now() / dayMs), messages: 7, byKind: { d2c: 7 } };
  void store.documents.put('ledger', 'quota', value);
  const profile = { sku: 'S1', units: 1 } as const;
  const { messages, operationsByKind } = openThrottles({ profile, store, clock, faults }).ledger();
  assert.deepEqual([messages, operationsByKind.d2c], [7, 0]);
});

test('a ledger that could not be written is written with the next message', () => {
  const { throttles, clock, store } = open();
  throttles.meter(1, 'd2c');
  store.fail();
  clock.advance(1000);
  assert.equal(store.stored.size, 0);
  throttles.meter(1, 'd2c');
  clock.advance(1000);
  assert.match(store.stored.get('ledger/quota') ?? '', /"messages":2/);
});

test('operations that wait are refused when the hub stops', async () => {
  const { throttles } = open();
  await throttles.take('query', 20);
  const waiting = throttles.take('query');
  await throttles.stop();
  await assert.rejects(waiting, { code: 'Throttled' });
});
