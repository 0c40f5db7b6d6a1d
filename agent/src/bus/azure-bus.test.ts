import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { CancelSchema, ConfigurationSchema, OfferRequestSchema } from '@iotdh/proto/bus/v1';
import type { Command } from './bus.ts';
import { createRig, createSeen, deviceId, realClock, sendBytes, tapTelemetry } from './testing/rig.ts';
import { within } from './time-limit.ts';

const assignmentId = '7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10';
const offerRequest = { case: 'offerRequest' as const, value: create(OfferRequestSchema, { assignmentId }) };
const cancel = (reason = ''): Command => ({
  case: 'cancel',
  value: create(CancelSchema, { assignmentId, reason }),
});
const pointer = (id = assignmentId) => ({
  assignmentId: id,
  manifest: {
    digest: Buffer.alloc(32, 7).toString('base64'),
    size: 1_000,
    kind: 'UPDATE_KIND_PATCH',
    name: 'carto',
    version: '8.1',
  },
});

test('what the outbox holds reaches the hub as binary under its own message id, and leaves the outbox', async (t) => {
  const rig = await createRig(t);
  const kept = await rig.outbox.put(offerRequest);
  assert.ok(kept.kind === 'kept');
  await rig.openBus();
  const message = await rig.telemetry.find(() => true);
  assert.equal(message.messageId, kept.messageId);
  assert.equal(message.journalId, rig.outbox.journalId);
  await rig.outbox.put(offerRequest);
  await rig.telemetry.find(({ sequence }) => sequence === 2n);
  // The PUBACK is on its way by now.
  while (rig.outbox.count > 0) await new Promise(setImmediate);
});

test('a link that is cut comes back, and what was not acknowledged arrives again under the same id', async (t) => {
  const rig = await createRig(t);
  const bus = await rig.openBus();
  rig.hub.faults.inject({ kind: 'drop-acknowledgement', deviceId });
  await rig.outbox.put(offerRequest);
  const first = await rig.telemetry.find(() => true);
  const reopened = rig.reopened();
  rig.hub.faults.inject({ kind: 'cut-link', deviceId });
  await reopened;
  await rig.telemetry.find((message) => message !== first);
  assert.deepEqual([...new Set(rig.telemetry.all.map(({ messageId }) => messageId))], [first.messageId]);
  assert.equal(bus.link.kind, 'open');
  const waiting = rig.links.all.find((link) => link.kind === 'waiting');
  assert.ok(waiting?.kind === 'waiting' && waiting.fault.reason === 'lost');
});

test('a hub that restarts finds the device again, with commands in both directions and the twin', async (t) => {
  const rig = await createRig(t);
  const received = createSeen<string>();
  await rig.openBus({ receivers: { cancel: ({ payload }) => received.add(payload.value.reason) } });
  await rig.send(cancel('before'));
  await received.find((reason) => reason === 'before');
  const reopened = rig.reopened();
  await rig.hub.restart();
  await reopened;
  await rig.send(cancel('after'));
  await received.find((reason) => reason === 'after');
  await rig.outbox.put(offerRequest);
  await tapTelemetry(rig.hub).find(() => true);
  await rig.hub.engine.twins.update(deviceId, { desired: { assignment: pointer() } }, { replace: false });
  await rig.assignments.find((assignment) => assignment?.assignmentId === assignmentId);
});

test('the assignment is read after connecting, and followed until it is withdrawn', async (t) => {
  const rig = await createRig(t);
  const { twins } = rig.hub.engine;
  await twins.update(deviceId, { desired: { assignment: pointer() } }, { replace: false });
  await rig.openBus();
  const first = await rig.assignments.find(() => true);
  assert.equal(first?.manifest?.name, 'carto');
  const second = '11111111-2222-4333-8444-555555555555';
  await twins.update(deviceId, { desired: { assignment: { assignmentId: second } } }, { replace: false });
  const followed = await rig.assignments.find((assignment) => assignment?.assignmentId === second);
  assert.equal(followed?.manifest?.version, '8.1', 'a patch of one property leaves the others');
  await twins.update(deviceId, { desired: { assignment: { manifest: null } } }, { replace: false });
  await rig.notes.find(({ what }) => /not readable/.test(what));
  await twins.update(deviceId, { desired: { assignment: null } }, { replace: false });
  await rig.assignments.find((assignment) => assignment === null);
});

test('a twin whose answer is lost does not hang: the connection is made anew and the twin read', async (t) => {
  const rig = await createRig(t);
  await rig.hub.engine.twins.update(deviceId, { desired: { assignment: pointer() } }, { replace: false });
  rig.hub.faults.inject({ kind: 'lose-twin-reply', deviceId });
  await rig.openBus({ timeLimits: { twinMs: 100 } });
  await rig.assignments.find((assignment) => assignment?.assignmentId === assignmentId);
  assert.deepEqual(rig.hub.faults.list(), []);
});

test('a message that cannot be read, is double or that nobody handles is dropped with its reason; the next one arrives', async (t) => {
  const rig = await createRig(t);
  const received = createSeen<string>();
  await rig.openBus({
    receivers: {
      cancel({ payload }) {
        received.add(payload.value.reason);
        if (payload.value.reason === 'throws') throw new Error('SharedAccessKey=hidden');
      },
    },
  });
  await sendBytes(rig.hub, Buffer.from('not a message'));
  await sendBytes(rig.hub, Buffer.alloc(64_000, 1));
  await rig.send(cancel('invalid'), { version: 2 });
  const messageId = await rig.send(cancel('once'));
  await rig.send(cancel('once'), { messageId });
  await rig.send({ case: 'configuration', value: create(ConfigurationSchema, {}) });
  await rig.send(cancel('throws'));
  await rig.send(cancel('last'));
  await received.find((reason) => reason === 'last');
  assert.deepEqual(received.all, ['once', 'throws', 'last']);
  const reasons = rig.notes.all.map(({ what, detail }) => `${what}: ${detail}`).join('\n');
  for (const expected of [
    /malformed/,
    /breaks the contract/,
    /nobody here handles configuration/,
    /was not handled: SharedAccessKey=\*\*\*/,
  ]) {
    assert.match(reasons, expected);
  }
});

test('cloudtodevicepurge without a payload drops what is queued for the device and says how many', async (t) => {
  const rig = await createRig(t);
  const handled = createSeen<string>();
  const blocked = Promise.withResolvers<void>();
  await rig.openBus({
    receivers: {
      async cancel({ payload }) {
        handled.add(payload.value.reason);
        await blocked.promise;
      },
    },
  });
  for (let n = 0; n < 6; n += 1) await rig.send(cancel(String(n)));
  await handled.find((reason) => reason === '0');
  const answer = rig.hub.engine.methods.invoke(deviceId, { methodName: 'cloudtodevicepurge' });
  assert.deepEqual(await answer, { status: 200, payload: { totalMessagesPurged: 5 } });
  blocked.resolve();
  await rig.send(cancel('afterwards'));
  await handled.find((reason) => reason === 'afterwards');
  assert.deepEqual(handled.all, ['0', 'afterwards']);
});

test('when the port for MQTT is shut the bus goes over WebSocket, remembers that, and begins with it next time', async (t) => {
  const rig = await createRig(t);
  const shut = rig.connectionString.replace(rig.hub.hostName, 'localhost:1');
  const credentials = { kind: 'connection_string' as const, connectionString: shut };
  const bus = await rig.openBus({ credentials });
  assert.ok(bus.link.kind === 'open' && bus.link.route === 'mqtt_ws');
  assert.equal(rig.route, 'mqtt_ws');
  const faults = rig.links.all.flatMap((link) => (link.kind === 'waiting' ? [link.fault.reason] : []));
  assert.deepEqual(faults, ['unreachable', 'unreachable']);
  await bus.stop();
  const before = rig.links.all.length;
  const again = rig.createBus({ credentials });
  again.start();
  await rig.links.find((link) => link.kind === 'open' && rig.links.all.indexOf(link) >= before);
  assert.deepEqual(
    rig.links.all.slice(before).map(({ kind }) => kind),
    ['opening', 'open'],
  );
});

test('a refused key is named as such, is tried again, and stays out of the log', async (t) => {
  const rig = await createRig(t);
  const key = Buffer.alloc(32, 1).toString('base64');
  const connectionString = rig.connectionString.replace(/SharedAccessKey=.*/, `SharedAccessKey=${key}`);
  const bus = rig.createBus({
    credentials: { kind: 'connection_string', connectionString },
    routes: ['mqtt'],
  });
  bus.start();
  const second = await rig.links.find((link) => link.kind === 'waiting' && link.attempt === 2);
  assert.ok(second.kind === 'waiting' && second.fault.reason === 'not_authorized', JSON.stringify(second));
  assert.ok(!JSON.stringify([rig.notes.all, rig.links.all]).includes(key));
});

test('a certificate opens the link too', async (t) => {
  const rig = await createRig(t);
  const certificate = await rig.hub.certificates.issueClient('by-certificate');
  const primaryThumbprint = new X509Certificate(certificate.certPem).fingerprint256.replaceAll(':', '');
  await rig.hub.engine.registry.create({
    deviceId: 'by-certificate',
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint } },
  });
  const bus = await rig.openBus({
    credentials: {
      kind: 'x509',
      hostName: rig.hub.hostName,
      deviceId: 'by-certificate',
      cert: certificate.certPem,
      key: certificate.keyPem,
    },
  });
  assert.equal(bus.link.kind, 'open');
});

test('a stop is over soon although a message is unacknowledged, and although the hub does not answer', async (t) => {
  const rig = await createRig(t);
  const bus = await rig.openBus();
  rig.hub.faults.inject({ kind: 'drop-acknowledgement', deviceId });
  await rig.outbox.put(offerRequest);
  await rig.telemetry.find(() => true);
  const stopped = await within(4_900, realClock, bus.stop());
  assert.equal(stopped.kind, 'settled');
  assert.equal(bus.link.kind, 'stopped');
  // The connection is gone too, or the process could not end.
  while (rig.hub.engine.presence.isConnected(deviceId)) await new Promise(setImmediate);
  assert.equal(rig.outbox.count, 1, 'it is still there for the next start');

  const opening = rig.createBus();
  rig.hub.faults.inject({ kind: 'delay', deviceId, delayMs: 60_000, count: 100 });
  opening.start();
  assert.equal((await within(4_900, realClock, opening.stop())).kind, 'settled');
});

test('a message that is not kept is sent at once or not at all', async (t) => {
  const rig = await createRig(t);
  const bus = rig.createBus();
  assert.deepEqual(await bus.ask(offerRequest), { kind: 'offline' });
  bus.start();
  await rig.links.find(({ kind }) => kind === 'open');
  assert.deepEqual(await bus.ask(offerRequest), { kind: 'sent' });
  await rig.telemetry.find(() => true);
  assert.equal(rig.telemetry.all.length, 1);
  assert.equal(rig.outbox.count, 0);
});

test('a connection string that is none is refused when the bus is made', async (t) => {
  const rig = await createRig(t);
  const credentials = { kind: 'connection_string' as const, connectionString: 'HostName=only' };
  assert.throws(() => rig.createBus({ credentials }), /DeviceId/);
});
