import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import rhea, { type ConnectionOptions } from 'rhea';
import {
  collect,
  conditionOf,
  frame,
  next,
  openSocket,
  performative,
  putToken,
  send,
} from './testing/raw-peer.ts';
import { openRig, type Rig } from './testing/rig.ts';
import { protocolHeader } from './wire/frame.ts';

const { types } = rhea;
const header = protocolHeader(0);
const uint = (value: number) => types.wrap_uint(value);
const open = performative(0x10, ['peer']);
const begin = performative(0x11, [null, uint(0), uint(100), uint(100)]);
const terminus = (code: number, address: string) =>
  types.described_nc(types.wrap_ulong(code), types.wrap_list([address]));
const attachSender = (name: unknown, handle: unknown = uint(0), address = '$cbs') =>
  performative(0x12, [name, handle, false, null, null, terminus(0x28, 'x'), terminus(0x29, address)]);

/** Opens a peer that has authenticated as the service. */
async function servicePeer(rig: Rig, options: Partial<ConnectionOptions> & Record<string, unknown> = {}) {
  const peer = rig.connect(options);
  assert.equal(await putToken(peer, rig.hostName, rig.policyToken(rig.hostName)), 200);
  return peer;
}

async function sendCommand(peer: Awaited<ReturnType<typeof servicePeer>>): Promise<string> {
  const sender = peer.open_sender('/messages/devicebound');
  const outcome = await send(sender, {
    to: '/devices/dev/messages/devicebound',
    body: rhea.message.data_section(Buffer.from('x')),
  });
  sender.close();
  return outcome;
}

test('bytes that are not AMQP end their connection alone, with one line in the log', async (t) => {
  const rig = await openRig(t);
  const healthy = await servicePeer(rig);
  const cases: [string, Buffer[]][] = [
    ['another protocol version', [Buffer.from('AMQP\0\0\x09\x01')]],
    ['the header of TLS', [protocolHeader(2)]],
    ['a frame that is too large', [header, Buffer.from('7fffffff02000000', 'hex')]],
    ['a frame of no size', [header, Buffer.alloc(8)]],
    ['an unknown performative', [header, frame(Buffer.from([0, 0x53, 0x30, 0x45]))]],
    ['a frame without a performative', [header, frame(Buffer.from([0x40]))]],
    ['SASL after AMQP', [header, frame(Buffer.from([0, 0x53, 0x41, 0x45]), 1)]],
    [
      'a list that counts more than it has',
      [header, frame(Buffer.from('005310d000000005ffffffff40', 'hex'))],
    ],
    ['an endless array', [header, frame(Buffer.from('005310d00000000e00000001f000000005ffffffff40', 'hex'))]],
    [
      'deep nesting',
      [
        header,
        frame(
          Buffer.concat([
            Buffer.from([0, 0x53, 0x10, 0xd0, 0, 0, 0x40, 4, 0, 0, 0, 1]),
            Buffer.alloc(0x4000, 0),
          ]),
        ),
      ],
    ],
    ['a tiny maximum frame size', [header, performative(0x10, ['peer', null, uint(60)])]],
    ['`open` without a container', [header, performative(0x10, [null, null, 'x'])]],
    ['two opens', [header, open, open]],
    ['a transfer on no channel', [header, open, performative(0x14, [uint(0)])]],
    ['an unknown handle', [header, open, begin, performative(0x14, [uint(7), uint(0), Buffer.from('t')])]],
    [
      'a flow for no link',
      [header, open, begin, performative(0x13, [uint(0), uint(1), uint(0), uint(1), uint(3)])],
    ],
    [
      'a disposition of four billion',
      [header, open, begin, performative(0x15, [true, uint(0), uint(4_294_967_295), true])],
    ],
    ['a disposition of text', [header, open, begin, performative(0x15, [true, 'a'])]],
    [
      'an unknown outcome',
      [header, open, begin, performative(0x15, [true, uint(0), uint(0), true, terminus(0x99, 'x')])],
    ],
    ['a link called constructor', [header, open, begin, attachSender('constructor')]],
    ['a link called __proto__', [header, open, begin, attachSender('__proto__')]],
    ['a link without a name', [header, open, begin, attachSender(null)]],
    ['a handle of text', [header, open, begin, attachSender('n', 'toString')]],
    ['one link twice', [header, open, begin, attachSender('n'), attachSender('n')]],
    ['one handle twice', [header, open, begin, attachSender('n'), attachSender('m')]],
    ['the end of nothing', [header, open, performative(0x17, [])]],
  ];
  for (const [what, bytes] of cases) {
    const before = rig.findings.length;
    const peer = await openSocket(t, rig.plainPort);
    peer.write(...bytes);
    await peer.closed;
    assert.equal(rig.findings.length, before + 1, what);
    assert.match(rig.findings.at(-1)?.what ?? '', /^AMQP connection from plain closed$/, what);
  }
  assert.equal(await sendCommand(healthy), 'accepted');
  assert.equal(rig.frontEnd.connectionCount, 1);
});

test('a connection that is cut anywhere in its first frames is forgotten', async (t) => {
  const rig = await openRig(t);
  const bytes = Buffer.concat([protocolHeader(3), header, open, begin, attachSender('n')]);
  for (let length = 0; length < bytes.length; length += 5) {
    const peer = await openSocket(t, rig.plainPort);
    peer.write(bytes.subarray(0, length));
    peer.socket.end();
    await peer.closed;
  }
  while (rig.frontEnd.connectionCount > 0) await nextTurn();
});

test('a peer that says everything at once, without waiting for any answer, is served', async (t) => {
  const rig = await openRig(t);
  const peer = await openSocket(t, rig.plainPort);
  const init = frame(
    Buffer.concat([Buffer.from([0, 0x53, 0x41, 0xc0, 13, 1, 0xa3, 9]), Buffer.from('ANONYMOUS')]),
    1,
  );
  init.writeUInt8(12, 12);
  peer.write(protocolHeader(3), init, header, open, begin, performative(0x18, []));
  await peer.closed;
  assert.equal(rig.findings.length, 0, JSON.stringify(rig.findings));
  assert.ok(peer.received().includes(Buffer.from([0x00, 0x53, 0x18])), 'close was answered');
});

test('a link that is detached and attached again in one breath is answered twice', async (t) => {
  const rig = await openRig(t);
  const peer = await openSocket(t, rig.plainPort);
  const detach = performative(0x16, [uint(0), true]);
  peer.write(header, open, begin, attachSender('n'), detach, attachSender('n'), detach, attachSender('n'));
  const answers = (code: number) => {
    const text = peer.received().toString('latin1');
    return text.split(String.fromCharCode(0x00, 0x53, code)).length - 1;
  };
  while (answers(0x12) < 3) await nextTurn();
  assert.equal(answers(0x16), 2);
  assert.equal(rig.findings.length, 0);
});

test('unauthenticated peers get no link but $cbs, and are closed in the end', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  for (const address of ['/messages/devicebound', '/devices/dev/messages/events', '/devices/dev/twin']) {
    const sender = peer.open_sender(address);
    await next(sender, 'sender_close');
    assert.equal(conditionOf(sender), 'amqp:unauthorized-access', address);
  }
  for (const address of [
    '/messages/serviceBound/feedback',
    'testhub/ConsumerGroups/$Default/Partitions/0',
    '/devices/dev/messages/devicebound',
  ]) {
    const receiver = peer.open_receiver(address);
    await next(receiver, 'receiver_close');
    assert.equal(conditionOf(receiver), 'amqp:unauthorized-access', address);
  }
  const nowhere = peer.open_sender('/devices/dev/modules/m/twin');
  await next(nowhere, 'sender_close');
  assert.equal(conditionOf(nowhere), 'amqp:not-found');
  const silent = await openSocket(t, rig.plainPort);
  await nextTurn();
  const closing = next(peer, 'connection_close');
  rig.clock.advance(31_000);
  await closing;
  await silent.closed;
  assert.equal(conditionOf(peer), 'amqp:unauthorized-access');
});

test('a token for one device opens nothing of another', async (t) => {
  const rig = await openRig(t);
  await rig.engine.registry.create({ deviceId: 'other' });
  const peer = rig.connect();
  assert.equal(await putToken(peer, `${rig.hostName}/devices/dev`, rig.deviceToken('dev')), 200);
  assert.equal(await putToken(peer, `${rig.hostName}/devices/other`, rig.deviceToken('dev')), 401);
  assert.equal(await putToken(peer, rig.hostName, rig.deviceToken('dev')), 401);
  for (const address of ['/devices/other/messages/events', '/messages/devicebound']) {
    const sender = peer.open_sender(address);
    await next(sender, 'sender_close');
    assert.equal(conditionOf(sender), 'amqp:unauthorized-access', address);
  }
  const own = peer.open_sender('/devices/dev/messages/events');
  assert.equal(await send(own, { body: 'x' }), 'accepted');
});

test('$cbs answers every request, also the wrong ones, and never stalls', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  const receiver = peer.open_receiver('$cbs');
  const sender = peer.open_sender('$cbs');
  const replies = collect(receiver);
  const requests = [
    { operation: 'put-token', type: 'jwt', name: rig.hostName },
    { operation: 'put-token', type: 'servicebus.windows.net:sastoken' },
    { operation: 'delete-token', type: 'servicebus.windows.net:sastoken', name: rig.hostName },
    { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: 'x%2Fdevices%2Fnobody' },
    {},
  ];
  for (const application_properties of requests)
    await send(sender, { message_id: 'm', application_properties, body: 'nonsense' });
  while (replies.length < requests.length) await nextTurn();
  assert.deepEqual(
    replies.map(({ message }) => message?.application_properties?.['status-code']),
    [401, 400, 400, 401, 400],
  );
  for (let i = 0; i < 2_100; i += 1) {
    while (!sender.sendable()) await nextTurn();
    sender.send({ message_id: i, application_properties: {}, body: 'x' });
  }
  while (replies.length < requests.length + 2_100) await nextTurn();
  assert.equal(replies.at(-1)?.message?.correlation_id, 2_099);
});

test('links close when their token expires, unless a new one was put in time', async (t) => {
  const rig = await openRig(t);
  const peer = rig.connect();
  const audience = `${rig.hostName}/devices/dev`;
  await putToken(peer, audience, rig.deviceToken('dev', 60_000));
  const sender = peer.open_sender('/devices/dev/messages/events');
  assert.equal(await send(sender, { body: 'x' }), 'accepted');
  rig.clock.advance(50_000);
  await putToken(peer, audience, rig.deviceToken('dev', 60_000));
  rig.clock.advance(20_000);
  assert.equal(await send(sender, { body: 'y' }), 'accepted');
  const closing = next(sender, 'sender_close');
  rig.clock.advance(41_000);
  await closing;
  assert.equal(conditionOf(sender), 'amqp:unauthorized-access');
  assert.equal(rig.engine.presence.isConnected('dev'), false);
});

test('SASL PLAIN lets devices and policies in with their tokens, and nobody else', async (t) => {
  const rig = await openRig(t);
  const device = rig.connect({ username: 'dev@sas.localhost', password: rig.deviceToken('dev') });
  assert.equal(await send(device.open_sender('/devices/dev/messages/events'), { body: 'x' }), 'accepted');
  const service = rig.connect({
    username: 'iothubowner@sas.root.localhost',
    password: rig.policyToken(rig.hostName),
  });
  assert.equal(await sendCommand(service), 'accepted');
  for (const [username, password] of [
    ['dev@sas.localhost', rig.deviceToken('dev').replace('sig=', 'sig=A')],
    ['dev', 'x'],
    ['other@sas.localhost', rig.deviceToken('dev')],
  ]) {
    const peer = rig.connect({ username, password } as Partial<ConnectionOptions>);
    const { error } = await next(peer, 'connection_error');
    assert.equal((error as { condition?: string }).condition, 'amqp:unauthorized-access', username);
  }
});

test('messages beyond credit or size end their link, not the connection', async (t) => {
  const rig = await openRig(t, { amqp: { sendCredit: 4, maxCommandBytes: 10_000 } });
  const peer = await servicePeer(rig, { max_frame_size: 1_024 });
  const large = peer.open_sender('/messages/devicebound');
  await next(large, 'sendable');
  large.send({ body: rhea.message.data_section(Buffer.alloc(100_000)) });
  await next(large, 'sender_close');
  assert.equal(conditionOf(large), 'amqp:link:message-size-exceeded');

  const greedy = peer.open_sender('/messages/devicebound');
  await next(greedy, 'sendable');
  const internals = greedy as unknown as { credit: number };
  internals.credit = 100;
  for (let i = 0; i < 50; i += 1)
    greedy.send({
      to: '/devices/dev/messages/devicebound',
      body: rhea.message.data_section(Buffer.from('x')),
    });
  await next(greedy, 'sender_close');
  assert.equal(conditionOf(greedy), 'amqp:link:transfer-limit-exceeded');
  assert.equal(await sendCommand(peer), 'accepted');
});

test('too many sessions or links end the connection', async (t: TestContext) => {
  const rig = await openRig(t, { amqp: { maxSessions: 3, maxLinks: 4 } });
  const sessions = await servicePeer(rig);
  for (let i = 0; i < 5; i += 1) sessions.create_session().begin();
  await next(sessions, 'connection_close');
  const links = await servicePeer(rig);
  for (let i = 0; i < 5; i += 1) links.open_sender('/messages/devicebound');
  await next(links, 'connection_close');
  while (rig.frontEnd.connectionCount > 0) await nextTurn();
});

test('a malformed message ends its connection, and nothing of it is kept', async (t) => {
  const rig = await openRig(t);
  for (const payload of [
    Buffer.from('005375b0ffffffff', 'hex'),
    Buffer.from('00', 'hex'),
    Buffer.from([0x40]),
  ]) {
    const peer = await servicePeer(rig);
    const sender = peer.open_sender('/messages/devicebound');
    await next(sender, 'sendable');
    sender.send(payload, undefined, 0);
    await next(peer, 'connection_close');
    assert.equal(conditionOf(peer), 'amqp:connection:framing-error');
  }
  assert.equal(rig.engine.cloudToDevice.pending('dev'), 0);
});

test('an aborted message is dropped', async (t) => {
  const rig = await openRig(t);
  const peer = await servicePeer(rig);
  const sender = peer.open_sender('/messages/devicebound');
  await next(sender, 'sendable');
  const session = (
    sender as unknown as {
      session: {
        output(frame: unknown, payload: Buffer): void;
        outgoing: { next_delivery_id: number; next_transfer_id: number; next_pending_delivery: number };
      };
    }
  ).session;
  const { default: frames } = (await import('rhea/lib/frames.js' as string)) as {
    default: { transfer(fields: object): unknown };
  };
  const id = session.outgoing.next_delivery_id;
  const fields = { handle: 0, delivery_id: id, delivery_tag: Buffer.from('t'), message_format: 0 };
  const { local } = sender as unknown as { local: { handle: number } };
  fields.handle = local.handle;
  session.output(frames.transfer({ ...fields, more: true }), Buffer.from([0, 0x53]));
  session.output(frames.transfer({ ...fields, aborted: true }), Buffer.alloc(0));
  session.outgoing.next_delivery_id += 1;
  session.outgoing.next_pending_delivery += 1;
  session.outgoing.next_transfer_id += 2;
  (sender as unknown as { delivery_count: number }).delivery_count += 1;
  assert.equal(
    await send(sender, {
      to: '/devices/dev/messages/devicebound',
      body: rhea.message.data_section(Buffer.from('x')),
    }),
    'accepted',
  );
  assert.equal(rig.engine.cloudToDevice.pending('dev'), 1);
});
