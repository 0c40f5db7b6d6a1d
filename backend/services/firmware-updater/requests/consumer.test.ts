import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { OfferRequestSchema } from '@iotdh/proto/bus/v1';
import { systemClock } from '../../../shared/clock.ts';
import { silentLog } from '../../../shared/log.ts';
import { createRig } from '../testing/rig.ts';
import { createConsumer } from './consumer.ts';

test('how far the reading has come is kept, for the next replica to go on there', {
  timeout: 90_000,
}, async (t) => {
  const { addDevice, connect, events } = await createRig(t, { partitions: 1 });
  const { checkpoints } = events;
  assert.ok(checkpoints);
  await addDevice('w1');
  const device = await connect('w1');
  const read = Promise.withResolvers<void>();
  const consumer = createConsumer({
    ...events,
    ...{ clock: systemClock, log: silentLog, takeoverMs: 1_000, checkpointEveryMs: 0 },
    onMessages: async ({ length }) => void (length > 0 && read.resolve()),
  });
  // Asked before anybody could read it.
  const value = create(OfferRequestSchema, { assignmentId: randomUUID() });
  await device.send({ case: 'offerRequest', value });
  consumer.start();
  await read.promise;
  // It is written after the messages have been handled.
  const isKept = async () => {
    for await (const { name } of checkpoints.listBlobsFlat()) if (name.includes('/checkpoint/')) return true;
    return false;
  };
  while (!(await isKept())) await setTimeout(50, undefined, { signal: t.signal });
  await consumer.stop();
});
