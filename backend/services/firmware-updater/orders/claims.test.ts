/** Leases, against a real database. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Binary, Long } from 'mongodb';
import type { OrderDocument } from '../../../shared/database/collections.ts';
import { testDatabase } from '../../../shared/testing/test-database.ts';
import { createClaims } from './claims.ts';

async function createBench(t: TestContext, wanted: readonly [deviceId: string, sequence: number][]) {
  const { collections } = await testDatabase(t);
  let nowMs = 1_000_000;
  await collections.orders.insertMany(
    wanted.map(
      ([deviceId, sequence]): OrderDocument => ({
        _id: `${deviceId}${sequence}`,
        deviceId,
        sequence: Long.fromNumber(sequence),
        kind: 'configure',
        assignmentId: '',
        body: new Binary(new Uint8Array()),
        state: 'due',
        dueTime: new Date(nowMs),
        attempts: 0,
        lease: null,
        lastError: '',
        expireTime: null,
        traceParent: '',
      }),
    ),
  );
  const claims = (owner: string) =>
    createClaims({ orders: collections.orders, owner, now: () => nowMs, leaseMs: 60_000 });
  return {
    orders: collections.orders,
    claims,
    pass: (ms: number) => (nowMs += ms),
    at: () => new Date(nowMs),
  };
}

const ids = (orders: readonly OrderDocument[]): string[] => orders.map(({ _id }) => _id).sort();

test('the first order of each device is leased, by one replica, and the next only when it is sent', async (t) => {
  const { claims } = await createBench(t, [
    ['a', 2],
    ['a', 1],
    ['b', 1],
    ['a', 3],
  ]);
  const [one, two] = [claims('one'), claims('two')];
  const [first, second] = await Promise.all([one.claim(8), two.claim(8)]);
  assert.deepEqual(ids([...first, ...second]), ['a1', 'b1']);
  assert.deepEqual(await one.claim(8), []);
  for (const claim of [one, two]) await claim.sent('a1');
  assert.deepEqual(ids(await two.claim(8)), ['a2']);
});

test('a lease that is not renewed lapses, and what its owner does later has no effect', async (t) => {
  const { claims, orders, pass } = await createBench(t, [['a', 1]]);
  const [dead, heir] = [claims('dead'), claims('heir')];
  await dead.claim(1);
  pass(30_000);
  assert.equal(await dead.renew('a1'), true);
  pass(59_000);
  assert.deepEqual(await heir.claim(1), []);
  pass(2_000);
  assert.deepEqual(ids(await heir.claim(1)), ['a1']);
  assert.equal(await dead.renew('a1'), false);
  await dead.giveUp('a1', 'too late');
  assert.equal((await orders.findOne({ _id: 'a1' }))?.state, 'due');
});

test('an order that waits holds back its device, and hides no other', async (t) => {
  const many = Array.from({ length: 40 }, (_, n): [string, number] => ['a', n + 1]);
  const { claims, pass, at } = await createBench(t, [...many, ['b', 1]]);
  const replica = claims('one');
  const first = await replica.claim(1);
  assert.deepEqual(ids(first), ['a1']);
  const later = new Date(at().getTime() + 10_000);
  await replica.postpone(first[0] ?? assert.fail(), later, 'not yet');
  assert.deepEqual(ids(await replica.claim(1)), ['b1']);
  pass(10_001);
  assert.deepEqual(ids(await replica.claim(8)), ['a1']);
});
