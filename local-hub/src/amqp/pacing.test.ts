import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import rhea, { type Connection, type ConnectionOptions, type Receiver } from 'rhea';
import { collect, conditionOf, next, putToken, send } from './testing/raw-peer.ts';
import { eventHubName, openRig, type Rig } from './testing/rig.ts';
import { batchFormat } from './wire/message.ts';

const { types } = rhea;

/** A peer that may read the partitions. */
async function readerPeer(rig: Rig, options: Partial<ConnectionOptions> & Record<string, unknown> = {}) {
  const peer = rig.connect(options);
  const audience = `sb://localhost/${eventHubName}`;
  assert.equal(await putToken(peer, audience, rig.policyToken(audience, 'eventhub')), 200);
  return peer;
}

function openReader(
  peer: Connection,
  partition: string,
  options: { epoch?: number; credit?: number; selector?: string } = {},
): Receiver {
  const { epoch, credit = 0, selector = "amqp.annotation.x-opt-offset > '-1'" } = options;
  const receiver = peer.open_receiver({
    source: {
      address: `${eventHubName}/ConsumerGroups/$Default/Partitions/${partition}`,
      filter: { 'apache.org:selector-filter:string': types.wrap_described(selector, 0x468c00000004) },
    },
    credit_window: 0,
    ...(epoch !== undefined && { properties: { 'com.microsoft:epoch': types.wrap_long(epoch) } }),
  });
  if (credit > 0) receiver.add_credit(credit);
  return receiver;
}

const partitionOf = (rig: Rig) => String(rig.engine.telemetry.partitionOf('dev'));
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
const textOf = ({ message }: { message?: { body: { content: Buffer } } }) => message!.body.content.toString();

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Lets everything under way arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

test('a reader gets exactly as many events as it gives credit for', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', numbers(500));
  const peer = await readerPeer(rig);
  const receiver = openReader(peer, partitionOf(rig));
  const received = collect(receiver);
  for (const [credit, total] of [
    [1, 1],
    [1, 2],
    [98, 100],
    [150, 250],
  ] as const) {
    receiver.add_credit(credit);
    await until(() => received.length >= total);
    await settled();
    assert.equal(received.length, total);
  }
  assert.deepEqual(
    received.map((context) => textOf(context as never)),
    numbers(250),
  );
});

test('a drain uses up credit when there is nothing more to send', async (t) => {
  const rig = await openRig(t);
  await rig.appendEvents('dev', numbers(3));
  const peer = await readerPeer(rig);
  const receiver = openReader(peer, partitionOf(rig), { credit: 100 });
  const received = collect(receiver);
  await until(() => received.length === 3);
  const drained = next(receiver, 'receiver_drained');
  receiver.drain_credit();
  await drained;
  await rig.appendEvents('dev', ['after']);
  await settled();
  assert.equal(received.length, 3);
  receiver.drain = false;
  receiver.add_credit(1);
  await until(() => received.length === 4);
});

test('messages larger than the frames and the window of a peer arrive whole', async (t) => {
  const rig = await openRig(t);
  // 94 frames each: more than ten thousand in all, where rhea's window is 2048.
  const bodies = Array.from({ length: 120 }, (_, index) => Buffer.alloc(40_000, index));
  await rig.appendEvents('dev', bodies);
  const peer = await readerPeer(rig, { max_frame_size: 512 });
  const receiver = openReader(peer, partitionOf(rig), { credit: 120 });
  const received = collect(receiver);
  await until(() => received.length === 120);
  for (const [index, { message }] of received.entries())
    assert.deepEqual(message?.body.content, bodies[index]);
});

test('a peer that does not read holds no more than the backlog, and gets everything when it reads again', async (t) => {
  const maxBacklogBytes = 65_536;
  const rig = await openRig(t, { amqp: { maxBacklogBytes } });
  const bodies = Array.from({ length: 600 }, (_, index) => Buffer.alloc(32_768, index % 256));
  await rig.appendEvents('dev', bodies);
  const peer = await readerPeer(rig);
  const { socket } = peer as unknown as { socket: { pause(): void; resume(): void } };
  const received = collect(openReader(peer, partitionOf(rig), { credit: 1_000 }));
  socket.pause();
  await settled();
  const { arrayBuffers } = process.memoryUsage();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 8_000_000);
  socket.resume();
  await until(() => received.length === 600);
  assert.deepEqual(received[599]?.message?.body.content, bodies[599]);
});

test('readers on one session share it without blocking each other', async (t) => {
  const rig = await openRig(t);
  const other = Array.from({ length: 99 }, (_, index) => `d${index}`).find(
    (id) => rig.engine.telemetry.partitionOf(id) !== rig.engine.telemetry.partitionOf('dev'),
  )!;
  await rig.engine.registry.create({ deviceId: other });
  await rig.appendEvents('dev', numbers(300));
  await rig.appendEvents(other, numbers(300));
  const peer = await readerPeer(rig);
  const starved = openReader(peer, partitionOf(rig));
  const fed = openReader(peer, String(rig.engine.telemetry.partitionOf(other)), { credit: 300 });
  const received = collect(fed);
  await until(() => received.length === 300);
  const late = collect(starved);
  starved.add_credit(300);
  await until(() => late.length === 300);
});

test('epochs and the limit of five readers hold between connections', async (t) => {
  const rig = await openRig(t);
  const [one, two] = [await readerPeer(rig), await readerPeer(rig)];
  const partition = partitionOf(rig);
  const shared = Array.from({ length: 5 }, () => openReader(one, partition));
  await Promise.all(shared.map((reader) => next(reader, 'receiver_open')));
  const sixth = openReader(two, partition);
  await next(sixth, 'receiver_close');
  assert.equal(conditionOf(sixth), 'amqp:resource-limit-exceeded');
  const displaced = Promise.all(shared.map((reader) => next(reader, 'receiver_close')));
  const owner = openReader(two, partition, { epoch: 0 });
  await displaced;
  assert.deepEqual(
    shared.map(conditionOf),
    Array.from({ length: 5 }, () => 'amqp:link:stolen'),
  );
  const late = openReader(one, partition);
  await next(late, 'receiver_close');
  assert.equal(conditionOf(late), 'amqp:link:stolen');
  const robbed = next(owner, 'receiver_close');
  const robber = openReader(one, partition, { epoch: 0, credit: 1 });
  await robbed;
  assert.equal(conditionOf(owner), 'amqp:link:stolen');
  const received = collect(robber);
  await rig.appendEvents('dev', ['x']);
  await until(() => received.length === 1);
});

test('a reader that leaves frees its place and its cursor', async (t) => {
  const rig = await openRig(t);
  const peer = await readerPeer(rig);
  for (let i = 0; i < 12; i += 1) {
    const reader = openReader(peer, partitionOf(rig), { credit: 1 });
    await next(reader, 'receiver_open');
    reader.close();
    await next(reader, 'receiver_close');
    assert.equal(conditionOf(reader), undefined);
  }
});

test('wrong filters and positions are refused', async (t) => {
  const rig = await openRig(t);
  const peer = await readerPeer(rig);
  for (const selector of ['nonsense', "amqp.annotation.x-opt-sequence-number > '99'"]) {
    const reader = openReader(peer, partitionOf(rig), { selector });
    await next(reader, 'receiver_close');
    assert.equal(conditionOf(reader), 'com.microsoft:argument-error', selector);
  }
});

test('several devices share a connection, each with its own token', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  const devices = ['dev', 'b', 'c'];
  for (const deviceId of devices) {
    if (deviceId !== 'dev') await rig.engine.registry.create({ deviceId });
    assert.equal(await putToken(peer, `${rig.hostName}/devices/${deviceId}`, rig.deviceToken(deviceId)), 200);
    const sender = peer.open_sender(`/devices/${deviceId}/messages/events`);
    assert.equal(await send(sender, { body: deviceId }), 'accepted');
  }
  assert.equal(rig.engine.presence.count(), 3);
  await rig.engine.registry.remove('b');
  await until(() => rig.engine.presence.count() === 2);
  const sender = peer.open_sender('/devices/c/messages/events');
  assert.equal(await send(sender, { body: 'still here' }), 'accepted');
  peer.close();
  await until(() => rig.engine.presence.count() === 0);
});

test('a policy with DeviceConnect speaks for any device', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  assert.equal(await putToken(peer, rig.hostName, rig.policyToken(rig.hostName)), 200);
  const sender = peer.open_sender('/devices/dev/messages/events');
  assert.equal(await send(sender, { body: 'x' }), 'accepted');
  const { telemetry } = rig.engine;
  const [event] = telemetry.open(telemetry.partitionOf('dev'), 'earliest').read(1);
  assert.equal(event?.authMethod.scope, 'hub');
});

test('a batch is stored as the messages it holds', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  await putToken(peer, `${rig.hostName}/devices/dev`, rig.deviceToken('dev'));
  const inner = numbers(5).map((text) =>
    rhea.message.encode({ message_id: text, body: rhea.message.data_section(Buffer.from(text)) }),
  );
  const batch = rhea.message.encode({ body: rhea.message.data_sections(inner) });
  const sender = peer.open_sender('/devices/dev/messages/events');
  assert.equal(await send(sender, batch, undefined, batchFormat), 'accepted');
  const { telemetry } = rig.engine;
  const events = telemetry.open(telemetry.partitionOf('dev'), 'earliest').read(10);
  assert.deepEqual(
    events.map(({ message }) => [message.system.messageId, message.body.toString()]),
    numbers(5).map((text) => [text, text]),
  );
});

test('a device that takes one message at a time gets each once, with its lock as the tag', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  await putToken(peer, `${rig.hostName}/devices/dev`, rig.deviceToken('dev'));
  for (const text of numbers(5))
    await rig.engine.cloudToDevice.send('dev', { body: Buffer.from(text), system: {}, properties: {} });
  const receiver = peer.open_receiver({
    source: '/devices/dev/messages/devicebound',
    credit_window: 0,
    autoaccept: false,
  });
  const received = collect(receiver);
  for (let count = 1; count <= 5; count += 1) {
    receiver.add_credit(1);
    await until(() => received.length === count);
    const { delivery } = received[count - 1]!;
    assert.equal((delivery!.tag as Buffer).length, 16);
    delivery!.accept();
  }
  assert.deepEqual(
    received.map((context) => textOf(context as never)),
    numbers(5),
  );
  await until(() => rig.engine.cloudToDevice.pending('dev') === 0);
});

test('a device link that is attached again and again with messages unsettled never stalls its session', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect({ session_buffer_size: 10_000 });
  await putToken(peer, `${rig.hostName}/devices/dev`, rig.deviceToken('dev'));
  for (const text of numbers(50))
    await rig.engine.cloudToDevice.send('dev', { body: Buffer.from(text), system: {}, properties: {} });
  // The hub's buffer holds 2048 deliveries of a session: 45 times 50 would overflow it.
  for (let round = 0; round < 45; round += 1) {
    const receiver = peer.open_receiver({
      source: '/devices/dev/messages/devicebound',
      credit_window: 0,
      autoaccept: false,
    });
    const received = collect(receiver);
    receiver.add_credit(50);
    await until(() => received.length === 50);
    assert.equal(textOf(received[0] as never), '0');
    receiver.close();
    await next(receiver, 'receiver_close');
  }
});
