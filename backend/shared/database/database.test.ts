import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { CloudToDeviceSchema } from '@iotdh/proto/bus/v1';
import { Long, MongoServerError } from 'mongodb';
import { testDatabase } from '../testing/test-database.ts';
import type { AssignmentDocument, DeviceDocument } from './collections.ts';
import { appendEvents } from './events.ts';
import { ensureIndexes } from './indexes.ts';
import { appendOrder } from './orders.ts';
import { createTransact } from './transaction.ts';

/** Events of a past week would be removed as soon as they are written. */
const now = new Date();

function device(id: string): DeviceDocument {
  return {
    _id: id,
    displayName: '',
    site: '',
    labels: {},
    connectivity: 'awaited',
    lastSeenTime: null,
    report: null,
    reportOrder: null,
    commandSequence: Long.ZERO,
    enrolment: null,
    createTime: now,
    retireTime: null,
    retireReason: '',
    revision: Long.ONE,
  };
}

function assignment(id: string, goesOn: boolean): AssignmentDocument {
  const manifest = { digest: '0'.repeat(64), size: 1, kind: 'patch', name: 'p', version: '1' } as const;
  return {
    _id: id,
    deviceId: 'd',
    packId: 'p',
    fallbackPackId: null,
    manifest,
    fallback: null,
    title: 't',
    transferId: id,
    frameSize: 1024,
    state: goesOn ? 'waiting' : 'ended',
    stateTime: now,
    goesOn,
    cancel: null,
    progress: null,
    result: null,
    notBefore: null,
    notAfter: null,
    createTime: now,
    creator: 'o',
    traceParent: '',
  };
}

test('a device has one assignment that goes on, and any number that ended', async (t) => {
  const { collections, db } = await testDatabase(t);
  await ensureIndexes(db);
  const { assignments } = collections;
  await assignments.insertMany([assignment('a', false), assignment('b', false), assignment('c', true)]);
  await assert.rejects(
    assignments.insertOne(assignment('d', true)),
    (error) => error instanceof MongoServerError && error.code === 11_000,
  );
  await assignments.updateOne({ _id: 'c' }, { $set: { goesOn: false } });
  await assignments.insertOne(assignment('d', true));
});

test('events of transactions that race are numbered without a gap, in the order of their commits', async (t) => {
  const { client, collections } = await testDatabase(t);
  const event = { topic: 'device', deviceId: 'd', event: {} } as const;
  await Promise.all(
    // Each as of a process of its own.
    [1, 2, 3, 1, 2, 3].map((count) =>
      createTransact(client)((session) => appendEvents(session, collections, Array(count).fill(event), now)),
    ),
  );
  const events = await collections.events.find().sort({ _id: 1 }).toArray();
  assert.deepEqual(
    events.map(({ _id }) => _id.toNumber()),
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
});

test('transactions of one process do not collide, however many there are at once', async (t) => {
  const { client, collections } = await testDatabase(t);
  const transact = createTransact(client, 120_000);
  const event = { topic: 'device', deviceId: 'd', event: {} } as const;
  let retries = 0;
  const onRetry = () => {
    retries += 1;
  };
  await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      transact(
        async (session) => {
          await collections.devices.insertOne(device(`d${index}`), { session });
          await appendEvents(session, collections, [event], now);
        },
        { onRetry },
      ),
    ),
  );
  assert.equal(await collections.events.countDocuments(), 100);
  assert.equal(retries, 0);
});

test('a transaction that its process has left behind holds up the others for a few seconds, and no longer', async (t) => {
  const { client, transact, collections } = await testDatabase(t);
  const event = { topic: 'device', deviceId: 'd', event: {} } as const;
  const abandoned = client.startSession();
  abandoned.startTransaction();
  await appendEvents(abandoned, collections, [event], now);
  const last = await transact((session) => appendEvents(session, collections, [event], now));
  assert.equal(last?.toNumber(), 1);
});

test('what a transaction wrote is gone when its work fails, the numbers of its events too', async (t) => {
  const { transact, collections } = await testDatabase(t);
  const event = { topic: 'device', deviceId: 'd', event: {} } as const;
  await assert.rejects(
    transact(async (session) => {
      await collections.devices.insertOne(device('d'), { session });
      await appendEvents(session, collections, [event], now);
      throw new Error('on purpose');
    }),
    /on purpose/,
  );
  assert.equal(await collections.devices.countDocuments(), 0);
  const last = await transact((session) => appendEvents(session, collections, [event], now));
  assert.equal(last?.toNumber(), 1);
});

test('orders to a device are numbered by it, and carry the message as it will be sent', async (t) => {
  const { transact, collections } = await testDatabase(t);
  await collections.devices.insertOne(device('d'));
  const order = { deviceId: 'd', assignmentId: '', traceParent: '', now } as const;
  const payload = {
    case: 'cancel',
    value: { $typeName: 'iotdh.bus.v1.Cancel', assignmentId: crypto.randomUUID(), reason: '' },
  } as const;
  const made = await Promise.all(
    [1, 2, 3, 4].map(() =>
      transact((session) => appendOrder(session, collections, { ...order, kind: 'cancel', payload })),
    ),
  );
  assert.deepEqual(made.map(({ sequence }) => sequence.toNumber()).sort(), [1, 2, 3, 4]);
  const message = fromBinary(CloudToDeviceSchema, made[0]!.body.buffer);
  assert.equal(message.messageId, made[0]?._id);
  assert.equal(message.sequence, made[0]?.sequence.toBigInt());
  const cleared = await transact((session) =>
    appendOrder(session, collections, { ...order, kind: 'cancel', payload: null, pointer: null }),
  );
  const stored = await collections.orders.findOne({ _id: cleared._id });
  assert.equal(stored?.body.length(), 0);
  assert.equal(stored?.pointer, null);
  await assert.rejects(
    transact((session) =>
      appendOrder(session, collections, { ...order, deviceId: 'nobody', kind: 'purge', payload: null }),
    ),
    /there is no device "nobody"/,
  );
});
