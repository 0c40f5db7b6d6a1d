import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPublishPacket } from 'mqtt-packet';
import { signSas } from '../engine/sas.ts';
import type { ConnectFields } from './testing/raw-client.ts';
import { hostName, openRig, type Rig } from './testing/rig.ts';

const answers = '$dps/registrations/res/#';
const registerTopic = '$dps/registrations/PUT/iotdps-register/';
const statusTopic = '$dps/registrations/GET/iotdps-get-operationstatus/';
const primaryKey = Buffer.alloc(32, 1).toString('base64');

/** CONNECT fields of a device that was enrolled with `primaryKey`. */
function credentials({ provisioning, clock }: Rig, registrationId = 'reg-1'): ConnectFields {
  const { scopeId } = provisioning;
  const token = signSas({
    resource: `${scopeId}/registrations/${registrationId}`,
    key: primaryKey,
    expiresAtMs: clock.now() + 60_000,
    policyName: 'registration',
  });
  const username = `${scopeId}/registrations/${registrationId}/api-version=2019-03-31&ClientVersion=x`;
  return { clientId: registrationId, username, password: Buffer.from(token) };
}

async function enroll({ provisioning }: Rig): Promise<void> {
  const symmetricKey = { primaryKey, secondaryKey: primaryKey };
  await provisioning.individuals.put('reg-1', { attestation: { type: 'symmetricKey', symmetricKey } });
}

const json = ({ payload }: IPublishPacket) => JSON.parse(payload.toString()) as Record<string, unknown>;

test('a device registers, asks until it is assigned, and then connects to the hub with the same key', async (t) => {
  const rig = await openRig(t);
  await enroll(rig);
  const client = rig.open({}, credentials(rig));
  assert.equal((await client.connect({ clean: false })).sessionPresent, false);
  assert.deepEqual(await client.subscribe(answers), [1]);
  client.publish(`${registerTopic}?$rid=r1`, '{"registrationId":"reg-1"}', { qos: 1, messageId: 8 });
  const packets = [await client.next(), await client.next()];
  const begun = packets.find((packet) => packet.cmd === 'publish');
  assert.ok(begun?.cmd === 'publish' && packets.some((packet) => packet.cmd === 'puback'));
  assert.equal(begun.topic, '$dps/registrations/res/202/?$rid=r1&retry-after=0');
  assert.equal(begun.qos, 1);
  client.send({ cmd: 'puback', messageId: begun.messageId ?? 0 });
  const { operationId } = json(begun);
  client.publish(`${statusTopic}?$rid=r2&operationId=${String(operationId)}`, ' ');
  const done = await client.expect('publish');
  assert.equal(done.topic, '$dps/registrations/res/200/?$rid=r2');
  const { status, registrationState } = json(done);
  assert.equal(status, 'assigned');
  const { assignedHub, deviceId } = registrationState as Record<string, string>;
  assert.deepEqual([assignedHub, deviceId], [hostName, 'reg-1']);
  client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [answers] });
  await client.expect('unsuback');
  client.send({ cmd: 'pingreq' });
  await client.expect('pingresp');
  client.send({ cmd: 'disconnect' });
  await client.ended;
  const device = await rig.connect({}, 'reg-1');
  device.send({ cmd: 'pingreq' });
  await device.expect('pingresp');
});

test('a device that is not enrolled is told so by the answer, not by the connection', async (t) => {
  const rig = await openRig(t);
  const client = rig.open({}, credentials(rig));
  assert.equal((await client.connect()).returnCode, 0);
  client.publish(`${registerTopic}?$rid=1`, '{}');
  const answer = await client.expect('publish');
  assert.equal(answer.topic, '$dps/registrations/res/401/?$rid=1');
  assert.equal(answer.qos, 0, 'without a subscription');
  assert.equal(json(answer).errorCode, 401002);
  assert.equal(rig.findings.length, 1);
});

test('only the answers can be subscribed to, and nothing but registrations published', async (t) => {
  const rig = await openRig(t);
  await enroll(rig);
  const connect = async () => {
    const client = rig.open({}, credentials(rig));
    await client.connect();
    return client;
  };
  assert.deepEqual(await (await connect()).subscribe(answers, '#', '$iothub/twin/res/#'), [1, 0x80, 0x80]);
  for (const [topic, options] of [
    ['devices/reg-1/messages/events/', {}],
    ['$iothub/twin/GET/?$rid=1', {}],
    [`${registerTopic}?$rid=1`, { qos: 2, messageId: 1 }],
    [registerTopic, {}],
  ] as const) {
    const client = await connect();
    client.publish(topic, 'x', options);
    await client.ended;
    assert.match(rig.findings.at(-1)?.reason ?? '', /published to|QoS 2/, topic);
  }
});

test('a connection without any proof, or for another registration, is refused', async (t) => {
  const rig = await openRig(t);
  for (const packet of [{ password: undefined }, { clientId: 'reg-2' }]) {
    const client = rig.open({}, credentials(rig));
    assert.equal((await client.connect(packet)).returnCode, 5);
    await client.ended;
  }
});
