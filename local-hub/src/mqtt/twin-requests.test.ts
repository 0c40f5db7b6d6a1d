import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPublishPacket } from 'mqtt-packet';
import { openRig } from './testing/rig.ts';

const json = ({ payload }: IPublishPacket): unknown => JSON.parse(payload.toString());
const patchTopic = '$iothub/twin/PATCH/properties/reported/';

test('a device reads its twin without being subscribed to the answer', async (t) => {
  const { connect, engine } = await openRig(t);
  await engine.twins.update('dev', { tags: { secret: 1 }, desired: { rate: 5 } }, { replace: false });
  const client = await connect();
  client.publish('$iothub/twin/GET/?$rid=r1', ' ');
  const answer = await client.expect('publish');
  assert.equal(answer.topic, '$iothub/twin/res/200/?$rid=r1');
  assert.equal(answer.qos, 0);
  assert.deepEqual(json(answer), { desired: { rate: 5, $version: 2 }, reported: { $version: 1 } });
});

test('a device reports properties and is told their new version', async (t) => {
  const { connect, engine } = await openRig(t);
  const client = await connect();
  client.publish(`${patchTopic}?$rid=r1`, '{"firmware":"1.2","old":null}', { qos: 1, messageId: 3 });
  const packets = [await client.next(), await client.next()];
  const answer = packets.find((packet) => packet.cmd === 'publish');
  assert.ok(answer?.cmd === 'publish');
  assert.match(answer.topic, /^\$iothub\/twin\/res\/204\/\?\$rid=r1&\$version=2$/);
  assert.equal(answer.payload.length, 0);
  assert.ok(packets.some((packet) => packet.cmd === 'puback' && packet.messageId === 3));
  assert.equal(engine.twins.deviceView('dev').reported.firmware, '1.2');
});

test('a refused request is answered with its status and a body that names the error', async (t) => {
  const { connect, engine, clock } = await openRig(t);
  const client = await connect();
  const refusals: [string, string, number][] = [
    [`${patchTopic}?$rid=1`, '{"a":', 400],
    [`${patchTopic}?$rid=1`, '[1]', 400],
    [`${patchTopic}?$rid=1`, JSON.stringify({ text: 'x'.repeat(5_000) }), 400],
    [`${patchTopic}?$rid=1&$version=99`, '{"a":1}', 412],
  ];
  for (const [topic, body, status] of refusals) {
    client.publish(topic, body);
    const answer = await client.expect('publish');
    assert.equal(answer.topic, `$iothub/twin/res/${status}/?$rid=1`, body.slice(0, 40));
    const { errorCode, message, trackingId, timestampUtc } = json(answer) as Record<string, unknown>;
    assert.equal(Math.floor(Number(errorCode) / 1000), status);
    assert.match(String(message), /./);
    assert.match(String(trackingId), /./);
    assert.equal(timestampUtc, new Date(clock.now()).toISOString());
  }
  engine.faults.inject({ kind: 'throttle', deviceId: 'dev' });
  client.publish('$iothub/twin/GET/?$rid=2', '');
  assert.match((await client.expect('publish')).topic, /res\/429\/\?\$rid=2$/);
  assert.deepEqual(engine.twins.deviceView('dev').reported, { $version: 1 });
});

test('an injected fault loses one answer', async (t) => {
  const { connect, engine } = await openRig(t);
  const client = await connect();
  engine.faults.inject({ kind: 'lose-twin-reply', deviceId: 'dev' });
  client.publish('$iothub/twin/GET/?$rid=1', '');
  client.publish('$iothub/twin/GET/?$rid=2', '');
  assert.match((await client.expect('publish')).topic, /\$rid=2$/);
});

test('desired changes are told to a subscribed device only, as the patch with its version', async (t) => {
  const { connect, engine, settled } = await openRig(t);
  const client = await connect();
  await engine.twins.update('dev', { desired: { rate: 1 } }, { replace: false });
  await settled();
  assert.deepEqual(client.waiting, []);
  await client.subscribe('$iothub/twin/PATCH/properties/desired/#');
  await engine.twins.update('dev', { desired: { rate: null, unit: 's' } }, { replace: false });
  const told = await client.expect('publish');
  assert.equal(told.topic, '$iothub/twin/PATCH/properties/desired/?$version=3');
  assert.deepEqual(json(told), { rate: null, unit: 's', $version: 3 });
  client.send({
    cmd: 'unsubscribe',
    messageId: 2,
    unsubscriptions: ['$iothub/twin/PATCH/properties/desired/#'],
  });
  await client.expect('unsuback');
  await engine.twins.update('dev', { desired: { rate: 4 } }, { replace: false });
  await settled();
  assert.deepEqual(client.waiting, []);
});

test('a direct method reaches a subscribed device and its answer the caller', async (t) => {
  const { connect, engine } = await openRig(t);
  const client = await connect();
  await assert.rejects(engine.methods.invoke('dev', { methodName: 'reboot' }), { code: 'DeviceNotOnline' });
  await client.subscribe('$iothub/methods/POST/#');
  const invoked = engine.methods.invoke('dev', { methodName: 'reboot', payload: { delay: 3 } });
  const call = await client.expect('publish');
  const [, requestId] = /^\$iothub\/methods\/POST\/reboot\/\?\$rid=(.+)$/.exec(call.topic) ?? [];
  assert.ok(requestId);
  assert.equal(call.qos, 0);
  assert.deepEqual(json(call), { delay: 3 });
  client.publish(`$iothub/methods/res/201/?$rid=${requestId}`, '"done"', { qos: 1, messageId: 4 });
  assert.equal((await client.expect('puback')).messageId, 4);
  assert.deepEqual(await invoked, { status: 201, payload: 'done' });
});

test('the model that a device announces is kept in its twin', async (t) => {
  const { open, credentials, engine } = await openRig(t);
  const { username } = credentials();
  const client = open(
    {},
    { ...credentials(), username: `${username}&model-id=dtmi%3Acom%3Aexample%3BThermostat%3B1` },
  );
  await client.connect();
  assert.equal(engine.twins.get('dev').modelId, 'dtmi:com:example;Thermostat;1');
});
