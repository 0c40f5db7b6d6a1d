import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { openRegistry } from './registry.ts';
import type { JsonObject } from './twin.ts';
import { openTwins, type TwinsOptions } from './twins.ts';

async function open(throttles: TwinsOptions['throttles'] = { take: () => Promise.resolve(), meter() {} }) {
  const store = createFakeDocuments();
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  const twins = openTwins({ store, registry, throttles, clock });
  await registry.create({ deviceId: 'd1' });
  const merged = { replace: false };
  return { store, clock, registry, twins, merged };
}

test('a new device has an empty twin with the first versions', async () => {
  const { twins, registry } = await open();
  const never = { $lastUpdated: '0001-01-01T00:00:00Z' };
  assert.deepEqual(twins.get('d1'), {
    deviceId: 'd1',
    etag: 'AAAAAAAAAAE=',
    deviceEtag: registry.get('d1')?.etag,
    status: 'enabled',
    statusUpdateTime: '0001-01-01T00:00:00Z',
    connectionState: 'Disconnected',
    lastActivityTime: '0001-01-01T00:00:00Z',
    cloudToDeviceMessageCount: 0,
    authenticationType: 'sas',
    x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
    modelId: '',
    version: 2,
    tags: {},
    properties: { desired: { $metadata: never, $version: 1 }, reported: { $metadata: never, $version: 1 } },
    capabilities: { iotEdge: false },
  });
  assert.deepEqual(twins.deviceView('d1'), { desired: { $version: 1 }, reported: { $version: 1 } });
});

test('a device that does not exist has no twin', async () => {
  const { twins, merged } = await open();
  const missing = { code: 'DeviceNotFound' };
  assert.throws(() => twins.get('d2'), missing);
  assert.throws(() => twins.deviceView('d2'), missing);
  await assert.rejects(twins.patchReported('d2', {}), missing);
  await assert.rejects(twins.update('d2', {}, merged), missing);
  await assert.rejects(twins.setModelId('d2', 'm'), missing);
});

test('reported properties merge, count their version and do not touch the etag', async () => {
  const { twins, clock } = await open();
  assert.equal(await twins.patchReported('d1', { a: 1, b: { c: 2 } }), 2);
  assert.equal(await twins.patchReported('d1', { a: null, b: { d: 3 } }), 3);
  assert.deepEqual(twins.deviceView('d1').reported, { b: { c: 2, d: 3 }, $version: 3 });
  const { reported } = twins.get('d1').properties;
  const now = { $lastUpdated: new Date(clock.now()).toISOString() };
  assert.deepEqual(reported.$metadata, { ...now, b: { ...now, c: now, d: now } });
  assert.equal(twins.get('d1').etag, 'AAAAAAAAAAE=');
  assert.equal(twins.get('d1').version, 4);
});

test('a report on a version that is no longer current changes nothing', async () => {
  const { twins } = await open();
  const writes = [twins.patchReported('d1', { a: 1 }, 1), twins.patchReported('d1', { b: 2 }, 1)];
  const [first, second] = await Promise.allSettled(writes);
  assert.equal(first?.status, 'fulfilled');
  const refusal = second?.status === 'rejected' ? (second.reason as { code: string }).code : undefined;
  assert.equal(refusal, 'PreconditionFailed');
  assert.deepEqual(twins.deviceView('d1').reported, { a: 1, $version: 2 });
});

test('services merge or replace tags and desired properties', async () => {
  const { twins, merged } = await open();
  await twins.update('d1', { tags: { site: 'A', floor: 1 }, desired: { x: { y: 1 } } }, merged);
  const twin = await twins.update('d1', { tags: { floor: null }, desired: { x: { z: 2 } } }, merged);
  assert.deepEqual(twin.tags, { site: 'A' });
  assert.deepEqual(twin.properties.desired.x, { y: 1, z: 2 });
  assert.equal(twin.properties.desired.$version, 3);
  assert.equal(twin.etag, 'AAAAAAAAAAM=');
  const replaced = await twins.update('d1', { desired: { n: 1, o: null } }, { replace: true });
  assert.deepEqual(replaced.tags, { site: 'A' });
  assert.deepEqual(twins.deviceView('d1').desired, { n: 1, $version: 4 });
  const tagsOnly = await twins.update('d1', { tags: { t: 1 }, desired: null }, { replace: true });
  assert.deepEqual(tagsOnly.tags, { t: 1 });
  assert.equal(tagsOnly.properties.desired.$version, 4);
});

test('an update on a condition that no longer holds changes nothing', async () => {
  const { twins, merged } = await open();
  const { etag } = await twins.update('d1', { tags: { a: 1 } }, merged);
  await twins.update('d1', { tags: { a: 2 } }, { ...merged, ifMatch: `"${etag}"` });
  const stale = twins.update('d1', { tags: { a: 3 } }, { ...merged, ifMatch: etag });
  await assert.rejects(stale, { code: 'PreconditionFailed', message: /twin of device "d1" has the etag/ });
  assert.deepEqual(twins.get('d1').tags, { a: 2 });
  await twins.update('d1', { tags: { a: 4 } }, { ...merged, ifMatch: '*' });
});

test('of two concurrent updates on the same condition one succeeds', async () => {
  const { twins, merged, store } = await open();
  const { etag: ifMatch } = twins.get('d1');
  store.hold();
  const updates = [1, 2].map((value) => twins.update('d1', { tags: { value } }, { ...merged, ifMatch }));
  const settled = Promise.allSettled(updates);
  await new Promise((resolve) => setImmediate(resolve));
  store.release();
  assert.deepEqual(
    (await settled).map((each) => each.status),
    ['fulfilled', 'rejected'],
  );
});

test('a device is told of each change of desired when it is durable, in order, as a patch with its version', async () => {
  const { twins, merged, store } = await open();
  const told: JsonObject[] = [];
  const stop = twins.onDesired('d1', (patch) => told.push(patch));
  store.hold();
  const updates = [
    twins.update('d1', { desired: { a: 1, b: { c: 1 } } }, merged),
    twins.update('d1', { tags: { t: 1 } }, merged),
    twins.update('d1', { desired: { a: null } }, merged),
  ];
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, []);
  store.release();
  await Promise.all(updates);
  assert.deepEqual(told, [
    { a: 1, b: { c: 1 }, $version: 2 },
    { a: null, $version: 3 },
  ]);
  await twins.update('d1', { desired: { b: { d: 2 }, e: 3 } }, { replace: true });
  assert.deepEqual(told[2], { b: { c: null, d: 2 }, e: 3, $version: 4 });
  stop();
  stop();
  await twins.update('d1', { desired: { z: 1 } }, merged);
  assert.equal(told.length, 3);
});

test('every listener of a device is told, those of other devices are not', async () => {
  const { twins, merged, registry } = await open();
  await registry.create({ deviceId: 'd2' });
  const told: string[] = [];
  twins.onDesired('d1', () => told.push('first'))();
  twins.onDesired('d1', (patch) => {
    told.push('second');
    patch.a = 'changed';
  });
  twins.onDesired('d1', (patch) => told.push(`third ${patch.a}`));
  twins.onDesired('d2', () => told.push('other'));
  await twins.update('d1', { desired: { a: 1 } }, merged);
  assert.deepEqual(told, ['second', 'third 1']);
});

test('a change that could not be written is taken back and told to nobody', async () => {
  const { twins, merged, store } = await open();
  twins.onDesired('d1', () => assert.fail('told'));
  store.fail();
  await assert.rejects(twins.update('d1', { desired: { a: 1 } }, merged), { code: 'StorageUnavailable' });
  assert.deepEqual(twins.deviceView('d1').desired, { $version: 1 });
});

test('limits hold for the result of a merge, and for each part by itself', async () => {
  const { twins, merged } = await open();
  const part = (name: string) =>
    Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`${name}${index}`, 'x'.repeat(4000)]));
  await twins.patchReported('d1', part('a'));
  await assert.rejects(twins.patchReported('d1', part('b')), {
    code: 'ArgumentInvalid',
    message: /reported would have/,
  });
  assert.equal(twins.deviceView('d1').reported.$version, 2);
  await twins.update('d1', { desired: part('a') }, merged);
  await assert.rejects(twins.update('d1', { tags: part('a') }, merged), {
    code: 'ArgumentInvalid',
    message: /tags/,
  });
  await assert.rejects(twins.update('d1', { tags: { 'a.b': 1 } }, merged), { code: 'ArgumentInvalid' });
  await assert.rejects(twins.patchReported('d1', []), { code: 'ArgumentInvalid' });
});

test('twins survive a restart, and go with their device', async () => {
  const { twins, merged, store, registry, clock } = await open();
  await twins.update('d1', { tags: { a: 1 }, desired: { b: 1 } }, merged);
  await twins.patchReported('d1', { c: 1 });
  await twins.setModelId('d1', 'dtmi:example:thing;1');
  const expected = twins.get('d1');
  assert.equal(expected.modelId, 'dtmi:example:thing;1');
  const copy = createFakeDocuments(new Map(store.stored));
  const restartedRegistry = openRegistry({ store: copy, clock });
  const throttles = { take: () => Promise.resolve(), meter() {} };
  const restarted = openTwins({ store: copy, registry: restartedRegistry, throttles, clock });
  assert.deepEqual(restarted.get('d1'), expected);
  await registry.remove('d1');
  await registry.create({ deviceId: 'd1' });
  assert.deepEqual(twins.get('d1').tags, {});
  assert.equal(
    [...store.stored.keys()].some((key) => key.startsWith('twin/')),
    false,
  );
});

test('updates are throttled and metered, and what is refused changes nothing', async () => {
  const taken: string[] = [];
  const { twins, merged } = await open({
    take: async (kind, cost, deviceId) => void taken.push(`${kind} ${cost} ${deviceId}`),
    meter(bytes, kind) {
      if (bytes > 100) throw new Error('quota');
      taken.push(`${kind} ${bytes}`);
    },
  });
  await twins.patchReported('d1', { a: 1 });
  await twins.update('d1', { tags: { b: true } }, merged);
  assert.deepEqual(taken, ['twinUpdate 1 d1', 'twin 9', 'twinUpdate 1 d1', 'twin 16']);
  await assert.rejects(twins.patchReported('d1', { a: 'x'.repeat(200) }), /quota/);
  assert.deepEqual(twins.deviceView('d1').reported, { a: 1, $version: 2 });
});

test('what is given away cannot change a twin', async () => {
  const { twins, merged } = await open();
  const tags = { a: { b: 1 } };
  await twins.update('d1', { tags }, merged);
  (twins.get('d1').tags.a as JsonObject).b = 2;
  assert.deepEqual(twins.get('d1').tags, { a: { b: 1 } });
});
