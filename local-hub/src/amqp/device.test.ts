import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import common from 'azure-iot-common';
import device, {
  type Client as DeviceClient,
  type Message as DeviceMessage,
  type Twin,
} from 'azure-iot-device';
import amqp from 'azure-iot-device-amqp';
import { issueCertificate } from '../issue-certificate.ts';
import { conditionOf, next, send } from './testing/raw-peer.ts';
import { openRig, type Rig } from './testing/rig.ts';

const { Client, Message } = device;
const { Amqp, AmqpWs } = amqp;
const { NoRetry } = common;

/** rhea's way to ask for SASL EXTERNAL whether or not there is a certificate. */
const rheaExternal = () => ({
  start: (done: (error: undefined, response: string) => void) => done(undefined, ''),
});

async function openDevice(rig: Rig, deviceId = 'dev', transport = Amqp): Promise<DeviceClient> {
  const client = Client.fromConnectionString(rig.device(deviceId), transport);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: rig.ca });
  await client.open();
  rig.beforeStop(() => client.close().catch(() => {}));
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

const partitionEvents = (rig: Rig, deviceId = 'dev') => {
  const { telemetry } = rig.engine;
  return telemetry.open(telemetry.partitionOf(deviceId), 'earliest').read(1_000);
};

async function sendCommand(rig: Rig, text: string): Promise<void> {
  await rig.engine.cloudToDevice.send('dev', {
    body: Buffer.from(text),
    system: { messageId: text, ack: 'full' },
    properties: { p: 'v' },
  });
}

/** Collects the messages of a device. */
function collect(client: DeviceClient): DeviceMessage[] {
  const messages: DeviceMessage[] = [];
  client.on('message', (message: DeviceMessage) => void messages.push(message));
  return messages;
}

test('the device SDK connects over a WebSocket', async (t) => {
  const rig = await openRig(t);
  const { webSocketAgent } = rig;
  const client = Client.fromConnectionString(rig.device('dev').replace(rig.hostName, 'localhost'), AmqpWs);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: rig.ca, amqp: { webSocketAgent } });
  await client.open();
  rig.beforeStop(() => client.close());
  await client.sendEvent(new Message('x'));
  assert.equal(rig.engine.presence.session('dev')?.protocol, 'amqp-ws');
});

test('telemetry of the device SDK is stored with its properties, in order', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  const message = new Message(Buffer.from([1, 2, 255]));
  message.messageId = 'm';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('a', 'b');
  await client.sendEvent(message);
  await Promise.all(Array.from({ length: 300 }, (_, index) => client.sendEvent(new Message(`${index}`))));
  const [first, ...rest] = partitionEvents(rig);
  assert.deepEqual(first?.message.body, Buffer.from([1, 2, 255]));
  assert.deepEqual(first?.message.properties, { a: 'b' });
  assert.deepEqual(first?.message.system, {
    messageId: 'm',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    to: '/devices/dev/messages/events',
  });
  assert.deepEqual(first?.authMethod, { scope: 'device', type: 'sas', issuer: 'iothub' });
  assert.deepEqual(
    rest.map((event) => event.message.body.toString()),
    Array.from({ length: 300 }, (_, index) => `${index}`),
  );
});

test('a device completes, abandons and rejects its messages', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  const messages = collect(client);
  await sendCommand(rig, 'one');
  await until(() => messages.length === 1);
  assert.equal(messages[0]?.messageId, 'one');
  assert.equal(messages[0]?.data.toString(), 'one');
  assert.equal(messages[0]?.ack, 'full');
  assert.equal(messages[0]?.properties.getValue('p'), 'v');
  await client.complete(messages[0]!);
  await until(() => rig.engine.cloudToDevice.pending('dev') === 0);

  await sendCommand(rig, 'two');
  await until(() => messages.length === 2);
  await client.abandon(messages[1]!);
  await until(() => messages.length === 3);
  assert.equal(messages[2]?.messageId, 'two');
  await client.reject(messages[2]!);
  await until(() => rig.engine.cloudToDevice.pending('dev') === 0);
});

test('messages are received in order and beyond one window', async (t) => {
  const rig = await openRig(t, {
    engine: { cloudToDevice: { maxPendingPerDevice: 1_000 } },
    amqp: { receiveWindow: 10 },
  });
  const client = await openDevice(rig);
  const seen: string[] = [];
  client.on('message', (message: DeviceMessage) => {
    seen.push(message.data.toString());
    void client.complete(message);
  });
  const texts = Array.from({ length: 300 }, (_, index) => `${index}`);
  for (const text of texts) await sendCommand(rig, text);
  await until(() => rig.engine.cloudToDevice.pending('dev') === 0);
  assert.deepEqual(seen, texts);
});

test('what a device held unsettled when it left comes again', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  const messages = collect(client);
  await sendCommand(rig, 'again');
  await until(() => messages.length === 1);
  await client.close();
  await until(() => !rig.engine.presence.isConnected('dev'));
  const later = collect(await openDevice(rig));
  await until(() => later.length === 1);
  assert.equal(later[0]?.messageId, 'again');
});

test('a device answers direct methods', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  client.onDeviceMethod('double', (request, response) => {
    void response.send(201, { doubled: 2 * request.payload.value });
  });
  await until(() => rig.engine.presence.session('dev')?.methodHandler !== undefined);
  const result = await rig.engine.methods.invoke('dev', { methodName: 'double', payload: { value: 21 } });
  assert.deepEqual(result, { status: 201, payload: { doubled: 42 } });
});

test('a device reads its twin, reports, and is told about desired properties', async (t) => {
  const rig = await openRig(t);
  await rig.engine.twins.update('dev', { desired: { mode: 'a' } }, { replace: false });
  const client = await openDevice(rig);
  const twin: Twin = await client.getTwin();
  assert.equal(twin.properties.desired.mode, 'a');
  await new Promise<void>((resolve, reject) => {
    twin.properties.reported.update({ state: 'ok' }, (error?: Error) => (error ? reject(error) : resolve()));
  });
  assert.equal(rig.engine.twins.deviceView('dev').reported.state, 'ok');
  const changed = new Promise((resolve) => {
    twin.on('properties.desired.mode', (value: unknown) => {
      if (value === 'b') resolve(value);
    });
  });
  // The SDK subscribes when it likes; each change is sent again until it has.
  let heard = false;
  void changed.then(() => {
    heard = true;
  });
  for (let n = 0; !heard; n += 1) {
    await rig.engine.twins.update('dev', { desired: { mode: 'b', n } }, { replace: false });
    await nextTurn();
  }
});

test('a refused twin patch is an error with the reason', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  const twin: Twin = await client.getTwin();
  const error = await new Promise<Error | undefined>((resolve) => {
    twin.properties.reported.update({ text: 'x'.repeat(5_000) }, (refusal?: Error) => resolve(refusal));
  });
  assert.equal((error as { name?: string }).name, 'Error');
  assert.match(JSON.stringify(error, Object.getOwnPropertyNames(error)), /could not update/);
});

test('the newest connection of a device wins, over any mix of transports', async (t) => {
  const rig = await openRig(t);
  const first = await openDevice(rig);
  await first.sendEvent(new Message('x'));
  const disconnected = once(first, 'disconnect');
  const second = await openDevice(rig);
  await second.sendEvent(new Message('y'));
  await disconnected;
  assert.equal(rig.engine.presence.count(), 1);
});

test('a deleted or disabled device loses its connection and cannot come back', async (t) => {
  const rig = await openRig(t);
  for (const [deviceId, remove] of [
    ['dev', () => rig.engine.registry.remove('dev')],
    ['two', () => rig.engine.registry.update({ deviceId: 'two', status: 'disabled' })],
  ] as const) {
    if (deviceId === 'two') await rig.engine.registry.create({ deviceId });
    const connectionString = rig.device(deviceId);
    const client = await openDevice(rig, deviceId);
    await client.sendEvent(new Message('x'));
    const disconnected = once(client, 'disconnect');
    await remove();
    await disconnected;
    const again = Client.fromConnectionString(connectionString, Amqp);
    again.setRetryPolicy(new NoRetry());
    await again.setOptions({ ca: rig.ca });
    await assert.rejects(again.open(), { name: 'UnauthorizedError' });
  }
});

test('a device connects with a registered certificate', async (t) => {
  const rig = await openRig(t);
  const { certPem, keyPem } = await issueCertificate({
    commonName: 'x509',
    kind: 'client',
    validDays: 1,
    nowMs: rig.clock.now(),
  });
  const primaryThumbprint = new X509Certificate(certPem).fingerprint256.replaceAll(':', '');
  await rig.engine.registry.create({
    deviceId: 'x509',
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint } },
  });
  const client = Client.fromConnectionString(`HostName=${rig.hostName};DeviceId=x509;x509=true`, Amqp);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: rig.ca, cert: certPem, key: keyPem });
  await client.open();
  rig.beforeStop(() => client.close());
  await client.sendEvent(new Message('x'));
  assert.deepEqual(partitionEvents(rig, 'x509')[0]?.authMethod, {
    scope: 'device',
    type: 'x509Certificate',
    issuer: 'external',
  });
});

test('SASL EXTERNAL lets a device in with its certificate, and is not offered without one', async (t) => {
  const rig = await openRig(t);
  const { certPem, keyPem } = await issueCertificate({
    commonName: 'x509',
    kind: 'client',
    validDays: 1,
    nowMs: rig.clock.now(),
  });
  const primaryThumbprint = new X509Certificate(certPem).fingerprint256.replaceAll(':', '');
  await rig.engine.registry.create({
    deviceId: 'x509',
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint } },
  });
  const secure = {
    transport: 'tls',
    port: rig.tlsPort,
    ca: rig.ca,
    servername: 'localhost',
    username: undefined,
  };
  const external = { enable_sasl_external: true, cert: certPem, key: keyPem };
  const peer = rig.connect({ ...secure, ...external } as never);
  assert.equal(await send(peer.open_sender('/devices/x509/messages/events'), { body: 'x' }), 'accepted');
  const other = peer.open_sender('/devices/dev/messages/events');
  await next(other, 'sender_close');
  assert.equal(conditionOf(other), 'amqp:unauthorized-access');
  const onlyExternal = { sasl_mechanisms: { EXTERNAL: rheaExternal } };
  const without = rig.connect({ ...secure, ...onlyExternal } as never);
  await next(without, 'connection_error');
});

test('lost and delayed acknowledgements and lost twin replies happen as injected', async (t) => {
  const rig = await openRig(t);
  const client = await openDevice(rig);
  await client.sendEvent(new Message('first'));
  rig.engine.faults.inject({ kind: 'drop-acknowledgement', deviceId: 'dev' });
  let lost = true;
  // It is refused when the link closes at the end of the test.
  void client.sendEvent(new Message('lost')).then(
    () => {
      lost = false;
    },
    () => {},
  );
  await client.sendEvent(new Message('after'));
  assert.equal(lost, true);
  rig.engine.faults.inject({ kind: 'delay', deviceId: 'dev', delayMs: 5_000 });
  let delayed = true;
  const delaying = client.sendEvent(new Message('late')).then(() => {
    delayed = false;
  });
  await until(() => partitionEvents(rig).length === 4);
  await client.sendEvent(new Message('in between'));
  assert.equal(delayed, true);
  rig.clock.advance(5_000);
  await delaying;

  rig.engine.faults.inject({ kind: 'lose-twin-reply', deviceId: 'dev' });
  let answered = false;
  void client.getTwin().then(
    () => {
      answered = true;
    },
    () => {},
  );
  await until(() => rig.engine.faults.list().length === 0);
  await client.sendEvent(new Message('last'));
  assert.equal(answered, false);
});

test('an injected cut or kick ends the connection', async (t) => {
  const rig = await openRig(t);
  for (const kind of ['cut-link', 'kick'] as const) {
    const client = await openDevice(rig);
    await client.sendEvent(new Message('x'));
    const disconnected = once(client, 'disconnect');
    rig.engine.faults.inject({ kind, deviceId: 'dev' });
    rig.clock.advance(1);
    await disconnected;
  }
});
