import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import type { DeviceSpec } from './identity.ts';
import { openRegistry, type RegistryChange, type RegistryOptions } from './registry.ts';

function open(options: Partial<RegistryOptions> = {}) {
  const store = createFakeDocuments();
  const clock = createManualClock();
  return { store, clock, registry: openRegistry({ store, clock, ...options }) };
}

const sha1 = 'AB'.repeat(20);

test('a created device has generated keys, an etag and a generation, and is there after a restart', async () => {
  const { registry, store, clock } = open();
  const device = await registry.create({ deviceId: 'd1' });
  assert.equal(device.status, 'enabled');
  assert.equal(device.connectionState, 'Disconnected');
  assert.equal(device.connectionStateUpdatedTime, '0001-01-01T00:00:00Z');
  assert.equal(device.authentication.type, 'sas');
  const { primaryKey, secondaryKey } = device.authentication.symmetricKey;
  assert.equal(Buffer.from(primaryKey ?? '', 'base64').length, 32);
  assert.notEqual(primaryKey, secondaryKey);
  assert.match(device.etag, /^[A-Za-z0-9+/]{8}$/);
  const restarted = openRegistry({ store: createFakeDocuments(store.stored), clock });
  assert.deepEqual(restarted.get('d1'), device);
});

test('a recreated device has another generation, even within the same millisecond', async () => {
  const { registry } = open();
  const first = await registry.create({ deviceId: 'd1' });
  await registry.remove('d1');
  const second = await registry.create({ deviceId: 'd1' });
  assert.notEqual(first.generationId, second.generationId);
});

test('a device that exists cannot be created again, and one that does not cannot be changed', async () => {
  const { registry } = open();
  await registry.create({ deviceId: 'd1' });
  await assert.rejects(registry.create({ deviceId: 'd1' }), { code: 'DeviceAlreadyExists' });
  await registry.create({ deviceId: 'D1' });
  await assert.rejects(registry.update({ deviceId: 'd2' }), {
    code: 'DeviceNotFound',
    message: /"d2".*Create it/,
  });
  await assert.rejects(registry.remove('d2'), { code: 'DeviceNotFound' });
  assert.throws(() => registry.require('d2'), { code: 'DeviceNotFound' });
  assert.equal(registry.get('d2'), undefined);
});

test('two creations at the same time make one device', async () => {
  const { registry, store } = open();
  store.hold();
  const first = registry.create({ deviceId: 'd1' });
  await assert.rejects(registry.create({ deviceId: 'd1' }), { code: 'DeviceAlreadyExists' });
  store.release();
  await first;
});

test('a creation that could not be written leaves no device', async () => {
  const { registry, store } = open();
  store.fail();
  await assert.rejects(registry.create({ deviceId: 'd1' }), { code: 'StorageUnavailable' });
  assert.equal(registry.has('d1'), false);
});

test('device ids have 1 to 128 of the characters that IoT Hub allows', async () => {
  const { registry } = open();
  for (const deviceId of ['a', "-:.+%_#*?!(),=@;$'", 'x'.repeat(128)]) await registry.create({ deviceId });
  for (const deviceId of ['', 'x'.repeat(129), 'a b', 'a/b', 'ä', 'a\n', 'a"b', 'a&b']) {
    await assert.rejects(
      registry.create({ deviceId }),
      { code: 'ArgumentInvalid' },
      JSON.stringify(deviceId),
    );
  }
  const notText = { deviceId: 7 } as unknown as DeviceSpec;
  await assert.rejects(registry.create(notText), { code: 'ArgumentInvalid' });
});

test('malformed keys, thumbprints, types and statuses are refused with what to do', async () => {
  const { registry } = open();
  const refused: Omit<DeviceSpec, 'deviceId'>[] = [
    { authentication: { symmetricKey: { primaryKey: 'not base64!' } } },
    { authentication: { symmetricKey: { secondaryKey: Buffer.alloc(15).toString('base64') } } },
    { authentication: { symmetricKey: { primaryKey: Buffer.alloc(65).toString('base64') } } },
    { authentication: { type: 'selfSigned' } },
    { authentication: { x509Thumbprint: { primaryThumbprint: 'AB'.repeat(19) } } },
    { authentication: { x509Thumbprint: { secondaryThumbprint: 'XY'.repeat(20) } } },
    { authentication: { type: 'password' as 'sas' } },
    { status: 'asleep' as 'enabled' },
    { statusReason: 'x'.repeat(129) },
  ];
  for (const spec of refused) {
    await assert.rejects(registry.create({ deviceId: 'd1', ...spec }), {
      code: 'ArgumentInvalid',
      message: /"d1"/,
    });
  }
  assert.equal(registry.has('d1'), false);
});

test('X.509 devices have thumbprints or an authority, and no keys', async () => {
  const { registry } = open();
  const colons = sha1.toLowerCase().replaceAll(/(..)(?=.)/g, '$1:');
  const thumbprint = await registry.create({
    deviceId: 'd1',
    authentication: { x509Thumbprint: { primaryThumbprint: colons } },
  });
  assert.deepEqual(thumbprint.authentication, {
    symmetricKey: { primaryKey: null, secondaryKey: null },
    x509Thumbprint: { primaryThumbprint: sha1, secondaryThumbprint: null },
    type: 'selfSigned',
  });
  const authority = await registry.create({
    deviceId: 'd2',
    authentication: { type: 'certificateAuthority' },
  });
  assert.equal(authority.authentication.type, 'certificateAuthority');
  assert.equal(authority.authentication.symmetricKey.primaryKey, null);
});

test('an update keeps what it does not name, and changes the etag', async () => {
  const { registry, clock } = open();
  const created = await registry.create({ deviceId: 'd1', statusReason: 'new' });
  clock.advance(1000);
  const updated = await registry.update({ deviceId: 'd1', status: 'disabled' }, '*');
  assert.deepEqual(updated.authentication, created.authentication);
  assert.equal(updated.generationId, created.generationId);
  assert.equal(updated.status, 'disabled');
  assert.equal(updated.statusReason, 'new');
  assert.equal(updated.statusUpdatedTime, new Date(clock.now()).toISOString());
  assert.notEqual(updated.etag, created.etag);
  const primaryKey = Buffer.alloc(32, 7).toString('base64');
  const rekeyed = await registry.update({ deviceId: 'd1', authentication: { symmetricKey: { primaryKey } } });
  assert.equal(rekeyed.authentication.symmetricKey.primaryKey, primaryKey);
  assert.equal(rekeyed.statusUpdatedTime, updated.statusUpdatedTime);
  const x509 = { type: 'selfSigned', x509Thumbprint: { secondaryThumbprint: sha1 } } as const;
  const certified = await registry.update({ deviceId: 'd1', authentication: x509 });
  assert.equal(certified.authentication.symmetricKey.primaryKey, null);
  const again = {
    deviceId: 'd1',
    status: null,
    authentication: { type: null, symmetricKey: { primaryKey } },
  };
  const sas = await registry.update(again);
  assert.equal(sas.authentication.type, 'sas');
  assert.equal(sas.authentication.symmetricKey.primaryKey, primaryKey);
  assert.equal(sas.status, 'disabled');
  assert.equal(certified.authentication.x509Thumbprint.secondaryThumbprint, sha1);
});

test('a condition on the etag is held, with quotes or without', async () => {
  const { registry } = open();
  const { etag } = await registry.create({ deviceId: 'd1' });
  const stale = { code: 'PreconditionFailed', message: /"d1" has the etag.*Read it again/ };
  await assert.rejects(registry.update({ deviceId: 'd1' }, '"other"'), stale);
  await assert.rejects(registry.remove('d1', 'other'), stale);
  const { etag: next } = await registry.update({ deviceId: 'd1' }, `"${etag}"`);
  await assert.rejects(registry.update({ deviceId: 'd1' }, etag), stale);
  await registry.update({ deviceId: 'd1' }, `W/"${next}"`);
  await registry.remove('d1', '*');
});

test('a full hub takes no more devices until one is deleted', async () => {
  const { registry } = open({ maxDevices: 2 });
  await registry.create({ deviceId: 'd1' });
  await registry.create({ deviceId: 'd2' });
  await assert.rejects(registry.create({ deviceId: 'd3' }), { code: 'TooManyDevices' });
  await registry.remove('d1');
  await registry.create({ deviceId: 'd3' });
});

test('changes are told when they are durable, and not when they fail', async () => {
  const { registry, store } = open();
  const told: string[] = [];
  const stop = registry.onChange(({ kind, device }: RegistryChange) =>
    told.push(`${kind} ${device.deviceId}`),
  );
  store.hold();
  const created = registry.create({ deviceId: 'd1' });
  assert.deepEqual(told, []);
  store.release();
  await created;
  await registry.update({ deviceId: 'd1', statusReason: 'x' });
  await registry.update({ deviceId: 'd1', status: 'disabled' });
  store.fail();
  await assert.rejects(registry.remove('d1'));
  await registry.remove('d1');
  stop();
  await registry.create({ deviceId: 'd2' });
  assert.deepEqual(told, ['created d1', 'updated d1', 'disabled d1', 'deleted d1']);
});

test('what hangs on a device is removed in the same transaction', async () => {
  const store = createFakeDocuments();
  const clock = createManualClock();
  let inTransaction = false;
  const removed: string[] = [];
  const registry = openRegistry({
    store: {
      ...store,
      atomically(fn) {
        inTransaction = true;
        const result = fn();
        inTransaction = false;
        return result;
      },
    },
    clock,
  });
  registry.onRemove(async (deviceId) => removed.push(`${deviceId} ${inTransaction}`));
  await registry.create({ deviceId: 'd1' });
  await registry.remove('d1');
  assert.deepEqual(removed, ['d1 true']);
});

test('devices are listed up to 1000 at a time, with what the hub knows of their connections', async () => {
  const { registry } = open({ connectivity: (id) => (id === 'd1' ? { connectionState: 'Connected' } : {}) });
  await registry.create({ deviceId: 'd1' });
  await registry.create({ deviceId: 'd2', status: 'disabled' });
  assert.deepEqual(
    registry.list().map((device) => `${device.deviceId} ${device.connectionState}`),
    ['d1 Connected', 'd2 Disconnected'],
  );
  assert.equal(registry.list(1).length, 1);
  for (const top of [0, 1001, 1.5, Number.NaN])
    assert.throws(() => registry.list(top), { code: 'ArgumentInvalid' });
  assert.deepEqual(registry.statistics(), {
    totalDeviceCount: 2,
    enabledDeviceCount: 1,
    disabledDeviceCount: 1,
  });
});

test('what the registry gives away cannot change it', async () => {
  const { registry } = open();
  const device = await registry.create({ deviceId: 'd1' });
  device.authentication.symmetricKey.primaryKey = 'changed';
  assert.notEqual(registry.get('d1')?.authentication.symmetricKey.primaryKey, 'changed');
});
