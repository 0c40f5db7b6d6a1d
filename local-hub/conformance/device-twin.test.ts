/** Device twins of azure-iot-device, over each transport that has them, against the twins of the registry SDK. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import { type Arrivals, arrivalsOf, eventually, failsWith, within } from './expect.ts';
import { startHub } from './hub.ts';
import { createRegistry, openDevice, type Transport } from './sdk.ts';

const hub = await startHub();
const registry = createRegistry(hub);
const transports: readonly [string, Transport][] = [
  ['MQTT', Mqtt],
  ['MQTT over WebSocket', MqttWs],
  ['AMQP', Amqp],
];

type Properties = { $version: number; [name: string]: unknown };

/** The SDK's promise never settles when the answer is lost; and its `update` takes only a callback. */
function report(twin: iot.Twin, patch: object): Promise<void> {
  return within(
    'the reported properties',
    new Promise((resolve, reject) => {
      twin.properties.reported.update(patch, (error: Error | undefined) =>
        error ? reject(error) : resolve(),
      );
    }),
  );
}

/** Patches of the desired properties. The SDK subscribes without telling when, so nudges go out until one comes back. */
async function subscribeToDesired(deviceId: string, twin: iot.Twin): Promise<Arrivals<Properties>> {
  const patches = arrivalsOf<Properties>(twin, 'properties.desired');
  let nudge = 0;
  await eventually('the subscription', async () => {
    nudge += 1;
    await registry.updateTwin(deviceId, { properties: { desired: { nudge } } }, '*');
    return patches.all.some((patch) => 'nudge' in patch) ? true : undefined;
  });
  return patches;
}

for (const [name, transport] of transports) {
  const prefix = name.toLowerCase().replaceAll(' ', '-');

  test(`${name}: the twin is read with its versions, and nothing of the service's metadata`, async () => {
    const deviceId = `${prefix}-get`;
    await hub.addDevice(deviceId);
    await registry.updateTwin(
      deviceId,
      { tags: { site: 'A' }, properties: { desired: { a: { b: 1 } } } },
      '*',
    );
    const client = await openDevice(hub, deviceId, { transport });
    const twin = await within('the twin', client.getTwin());
    const desired = twin.properties.desired as Properties;
    assert.deepEqual(desired, { a: { b: 1 }, $version: 2 });
    assert.equal((twin.properties.reported as Properties).$version, 1);
    assert.equal('tags' in twin, false);
  });

  test(`${name}: reported properties merge, null removes, and the service sees them`, async () => {
    const deviceId = `${prefix}-report`;
    await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const twin = await within('the twin', client.getTwin());
    await report(twin, { firmware: { version: '1', hash: 'x' }, temperature: 20 });
    await report(twin, { firmware: { version: '2', hash: null } });
    const { responseBody } = await registry.getTwin(deviceId);
    const reported = responseBody.properties.reported as Properties & { $metadata: Record<string, unknown> };
    assert.deepEqual(reported.firmware, { version: '2' });
    assert.equal(reported.temperature, 20);
    assert.equal(reported.$version, 3);
    assert.ok(reported.$metadata.firmware);
  });

  test(`${name}: a change of desired properties is pushed as the patch with its version`, async () => {
    const deviceId = `${prefix}-desired`;
    await hub.addDevice(deviceId);
    await registry.updateTwin(deviceId, { properties: { desired: { kept: 1, gone: 1 } } }, '*');
    const client = await openDevice(hub, deviceId, { transport });
    const twin = await within('the twin', client.getTwin());
    const patches = await subscribeToDesired(deviceId, twin);
    await registry.updateTwin(
      deviceId,
      { properties: { desired: { added: { x: [1, 2] }, gone: null } } },
      '*',
    );
    // The first that the SDK emitted is its own copy of all properties, which it keeps up to date.
    const patch = await patches.find((each) => 'added' in each && each !== twin.properties.desired);
    assert.deepEqual(patch.added, { x: [1, 2] });
    assert.equal(patch.gone, null);
    assert.equal('kept' in patch, false);
    assert.equal(typeof patch.$version, 'number');
  });

  test(`${name}: reported properties that break a limit are refused with a message, and nothing changes`, async () => {
    const deviceId = `${prefix}-limits`;
    await hub.addDevice(deviceId);
    const client = await openDevice(hub, deviceId, { transport });
    const twin = await within('the twin', client.getTwin());
    for (const [what, patch] of [
      ['a string over 4 KB', { text: 'x'.repeat(4_097) }],
      ['eleven levels', nested(11)],
      [
        'more than 32 KB',
        Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`k${n}`, 'x'.repeat(4_000)])),
      ],
      ['a key with a dot', { 'a.b': 1 }],
      ['a key with a dollar', { $a: 1 }],
      ['a key with a space', { 'a b': 1 }],
    ] as const) {
      await assert.rejects(report(twin, patch), what);
    }
    const { responseBody } = await registry.getTwin(deviceId);
    assert.equal((responseBody.properties.reported as Properties).$version, 1);
    await report(twin, { fine: nested(9) });
  });
}

test('a device that reports as fast as it can loses nothing', async () => {
  await hub.addDevice('burst');
  const client = await openDevice(hub, 'burst');
  const twin = await within('the twin', client.getTwin());
  await Promise.all(Array.from({ length: 50 }, (_, n) => report(twin, { [`k${n}`]: n })));
  const { responseBody } = await registry.getTwin('burst');
  const reported = responseBody.properties.reported as Properties;
  assert.equal(reported.$version, 51);
  for (let n = 0; n < 50; n += 1) assert.equal(reported[`k${n}`], n);
});

test('trap: a lost twin reply leaves getTwin pending for ever, and a second one is answered', async () => {
  await hub.addDevice('lost-reply');
  const client = await openDevice(hub, 'lost-reply');
  await within('the twin', client.getTwin());
  hub.engine.faults.inject({ kind: 'lose-twin-reply', deviceId: 'lost-reply' });
  let settled = false;
  void client.getTwin().finally(() => {
    settled = true;
  });
  await within('the second twin', client.getTwin());
  assert.equal(settled, false);
  assert.deepEqual(hub.engine.faults.list(), []);
});

test('the service: a twin is updated only with its current etag, and tags never reach the device', async () => {
  await hub.addDevice('etag');
  const { responseBody } = await registry.getTwin('etag');
  const updated = await registry.updateTwin('etag', { tags: { site: 'A' } }, responseBody.etag);
  assert.notEqual(updated.responseBody.etag, responseBody.etag);
  await failsWith(
    'InvalidEtagError',
    registry.updateTwin('etag', { tags: { site: 'B' } }, responseBody.etag),
  );
  await failsWith('DeviceNotFoundError', registry.getTwin('nobody'));
  await failsWith('DeviceNotFoundError', registry.updateTwin('nobody', { tags: {} }, '*'));
  await failsWith('ArgumentError', registry.updateTwin('etag', { tags: { 'a.b': 1 } }, '*'));
  await failsWith(
    'ArgumentError',
    registry.updateTwin('etag', { properties: { desired: { a: 'x'.repeat(5_000) } } }, '*'),
  );
});

function nested(levels: number): object {
  return levels === 0 ? { leaf: 1 } : { level: nested(levels - 1) };
}
