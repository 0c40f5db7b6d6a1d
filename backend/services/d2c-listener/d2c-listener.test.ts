/** The listener on the real hub, SDKs, storage and database. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Event, State } from '@iotdh/proto/agent/v1';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { createRig } from './testing/rig.ts';
import { assignmentDocument, createJournal, encode, patchDigest, traceParent } from './testing/samples.ts';

test('each kind of message is stored once, however often and with whatever poison between it comes', async (t) => {
  const rig = await createRig(t, { deviceIds: ['d1', 'd2'] });
  const { collections } = rig;
  await collections.devices.updateOne({ _id: 'd2' }, { $set: { retireTime: new Date() } });
  const assignment = assignmentDocument('d1');
  await collections.assignments.insertOne(assignment);
  const collectionId = randomUUID();
  await collections.logCollections.insertOne({
    _id: collectionId,
    deviceId: 'd1',
    request: {},
    state: 'requested',
    entries: 0,
    createTime: new Date(),
  });
  const journal = createJournal();
  const messages = [
    journal.hello(),
    journal.move(State.READY, State.INTRANSIT_PATCH, Event.CLOUD_CMDUPGRADE, patchDigest),
    journal.consent(),
    journal.logs(3, collectionId),
    journal.logs(0, collectionId, true),
    journal.telemetry(4),
    journal.offerRequest(),
    journal.result(assignment, UpdateOutcome.APPLIED),
  ];
  const spans = new InMemorySpanExporter();
  const listener = await rig.startListener({ processors: [new SimpleSpanProcessor({ exporter: spans })] });

  for (const message of messages) {
    await rig.send('d1', message);
    await rig.sendBytes('d1', Buffer.from('not a message of the contract'));
    await rig.send('d1', message);
  }
  const ofTheFuture = createJournal().hello();
  ofTheFuture.version = 2;
  await rig.sendBytes('d1', encode(ofTheFuture));
  await rig.send('d2', createJournal().hello());
  await rig.send('stranger', createJournal().hello());
  await rig.send('d1', ...messages);
  const last = createJournal(journal.journalId);
  const final = last.consent();
  await rig.send('d1', final);
  const poisoned = messages.length + 3;
  // What is measured follows what is stored.
  const measured = async (name: string) => (await listener.metrics.valueOf(name)) ?? 0;
  await listener.until(
    async () =>
      (await collections.consents.countDocuments({ _id: final.messageId })) === 1 &&
      (await measured('d2c_set_aside_total')) === poisoned &&
      (await measured('d2c_duplicates_total')) >= 14,
  );
  assert.equal(await collections.setAside.countDocuments(), poisoned);

  const count = async (name: 'states' | 'consents' | 'logLines' | 'telemetry' | 'updateResults' | 'orders') =>
    collections[name].countDocuments();
  assert.equal(await count('states'), 1);
  assert.equal(await count('consents'), 2);
  assert.equal(await count('logLines'), 3);
  assert.equal(await count('telemetry'), 4);
  assert.equal(await count('updateResults'), 1);
  assert.equal(await count('orders'), 1);
  const lines = await collections.logCollections.findOne({ _id: collectionId });
  assert.deepEqual([lines?.entries, lines?.state], [3, 'complete']);

  const ended = await collections.assignments.findOne({ _id: assignment._id });
  assert.deepEqual([ended?.state, ended?.goesOn], ['ended', false]);
  const [order] = await collections.orders.find().toArray();
  assert.deepEqual(
    [order?.kind, order?.pointer, order?.body.length(), order?.traceParent],
    ['pointer', null, 0, traceParent],
  );
  const device = await collections.devices.findOne({ _id: 'd1' });
  assert.equal(device?.connectivity, 'connected');
  assert.deepEqual(device?.report?.inventory, [
    { kind: 'PRODUCT_KIND_HOST_APPLICATION', product: { product: 'carto', version: '2.0.0' } },
  ]);
  const events = await collections.events.find().sort({ _id: 1 }).toArray();
  assert.deepEqual(
    events.map(({ _id }) => _id.toNumber()),
    events.map((_, index) => index + 1),
  );
  const topics = Object.groupBy(events, ({ topic }) => topic);
  assert.deepEqual([topics.state?.length, topics.consent?.length, topics.assignment?.length], [1, 2, 2]);

  const reasons = (await collections.setAside.find().toArray()).map(({ deviceId, reason }) =>
    [deviceId, reason].join(': '),
  );
  assert.deepEqual(
    [...new Set(reasons)].sort().map((reason) => reason.replace(/ \[.*\]$/, '')),
    [
      'd1: the body is not an encoded DeviceToCloud',
      'd1: version: must equal 1',
      'd2: the device is retired',
      'stranger: the device is not registered',
    ],
  );
  assert.equal(listener.service.unready(), null);
  assert.equal(await listener.metrics.valueOf('d2c_events_total', { kind: 'not_ours' }), 3);
  // What was stored is checkpointed: the next one reads nothing again.
  await listener.service.stop();
  const ofTheTrace = spans
    .getFinishedSpans()
    .filter((span) => span.spanContext().traceId === '1'.repeat(32))
    .map(({ name }) => name);
  assert.ok(ofTheTrace.includes('d2c-listener store updateResult'));
  const next = await rig.startListener();
  const another = last.consent();
  await rig.send('d1', another);
  await next.until(async () => (await collections.consents.countDocuments({ _id: another.messageId })) === 1);
  assert.equal(await next.metrics.valueOf('d2c_duplicates_total'), 0);
});
