/** azure-iothub's Registry: every call of the identity registry, each error with the SDK's own class, and queries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iothub from 'azure-iothub';
import { failsWith } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { startHub } from './hub.ts';
import { createRegistry, createRegistryWith, createRest, createService, openDevice } from './sdk.ts';

const hub = await startHub();
const registry = createRegistry(hub);

type Rest = (
  method: string,
  path: string,
  body?: object,
  headers?: Record<string, string>,
) => Promise<RestAnswer>;
type RestAnswer = { body: unknown; status: number; headers: NodeJS.Dict<string | string[]> };

const call: Rest = (method, path, body, headers = {}) =>
  new Promise((resolve, reject) => {
    createRest(hub).executeApiCall(
      method as 'GET',
      path,
      { ...(body && { 'Content-Type': 'application/json' }), ...headers },
      body ?? null,
      (
        error: Error | null,
        result: unknown,
        response: { statusCode: number; headers: NodeJS.Dict<string | string[]> },
      ) =>
        error
          ? reject(error)
          : resolve({ body: result, status: response.statusCode, headers: response.headers }),
    );
  });

test('create answers a full identity with generated keys, and get answers the same', async () => {
  const { responseBody: created } = await registry.create({ deviceId: 'created' });
  assert.equal(created.deviceId, 'created');
  assert.equal(created.status, 'enabled');
  assert.equal((created.authentication as { type?: string }).type, 'sas');
  assert.equal(
    Buffer.from(created.authentication?.symmetricKey?.primaryKey ?? '', 'base64').length >= 32,
    true,
  );
  assert.ok(created.generationId && created.etag);
  assert.equal(created.connectionState, 'Disconnected');
  const { responseBody: got } = await registry.get('created');
  assert.deepEqual(got, created);
});

test('given keys, status and reason are kept', async () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const symmetricKey = { primaryKey: key, secondaryKey: key };
  await registry.create({
    deviceId: 'given',
    status: 'disabled',
    statusReason: 'stolen',
    authentication: { symmetricKey },
  });
  const { responseBody } = await registry.get('given');
  assert.equal(responseBody.status, 'disabled');
  assert.equal(responseBody.statusReason, 'stolen');
  assert.deepEqual(responseBody.authentication?.symmetricKey, symmetricKey);
});

test('device ids with every allowed character work in the path', async () => {
  const deviceId = "a-b:c.d+e%f_g#h*i?j!k(l)m,n=o@p$q'r";
  await registry.create({ deviceId });
  assert.equal((await registry.get(deviceId)).responseBody.deviceId, deviceId);
  assert.equal((await registry.getTwin(deviceId)).responseBody.deviceId, deviceId);
  await registry.delete(deviceId);
  await failsWith('DeviceNotFoundError', registry.get(deviceId));
});

test('a second create is DeviceAlreadyExistsError', async () => {
  await registry.create({ deviceId: 'twice' });
  await failsWith('DeviceAlreadyExistsError', registry.create({ deviceId: 'twice' }));
});

test('an id that is too long or has forbidden characters, and a bad key, are ArgumentError', async () => {
  await failsWith('ArgumentError', registry.create({ deviceId: 'x'.repeat(129) }));
  await failsWith('ArgumentError', registry.create({ deviceId: 'a b' }));
  await failsWith('ArgumentError', registry.create({ deviceId: 'a/b' }));
  const symmetricKey = { primaryKey: 'not base64!', secondaryKey: 'not base64!' };
  await failsWith(
    'ArgumentError',
    registry.create({ deviceId: 'bad-key', authentication: { symmetricKey } }),
  );
});

test('update changes the status and disconnects a device that it disables', async () => {
  await hub.addDevice('updated');
  const client = await openDevice(hub, 'updated');
  const disconnected = new Promise((resolve) => client.once('disconnect', resolve));
  await registry.update({ deviceId: 'updated', status: 'disabled' });
  await disconnected;
  assert.equal((await registry.get('updated')).responseBody.status, 'disabled');
  await failsWith('DeviceNotFoundError', registry.update({ deviceId: 'nobody', status: 'disabled' }));
});

test('delete disconnects the device, is DeviceNotFoundError the second time, and a new one has a new generation', async () => {
  const { generationId } = await hub.addDevice('deleted');
  const client = await openDevice(hub, 'deleted');
  const disconnected = new Promise((resolve) => client.once('disconnect', resolve));
  await registry.delete('deleted');
  await disconnected;
  await failsWith('DeviceNotFoundError', registry.get('deleted'));
  await failsWith('DeviceNotFoundError', registry.delete('deleted'));
  const { responseBody } = await registry.create({ deviceId: 'deleted' });
  assert.notEqual(responseBody.generationId, generationId);
});

test('an etag that is not current is InvalidEtagError', async () => {
  await hub.addDevice('etag');
  const { headers } = await call('GET', '/devices/etag?api-version=2021-04-12');
  await call(
    'PUT',
    '/devices/etag?api-version=2021-04-12',
    { deviceId: 'etag', statusReason: 'x' },
    { 'If-Match': String(headers.etag) },
  );
  await failsWith(
    'InvalidEtagError',
    call(
      'PUT',
      '/devices/etag?api-version=2021-04-12',
      { deviceId: 'etag' },
      { 'If-Match': String(headers.etag) },
    ),
  );
  await failsWith(
    'InvalidEtagError',
    call('DELETE', '/devices/etag?api-version=2021-04-12', undefined, { 'If-Match': '"AAAA"' }),
  );
});

test('list answers all devices, and statistics count them', async () => {
  const { responseBody } = await registry.list();
  const ids = new Set(responseBody.map(({ deviceId }) => deviceId));
  assert.ok(ids.has('created') && ids.has('given'));
  const { responseBody: statistics } = await registry.getRegistryStatistics();
  assert.equal(statistics.totalDeviceCount, responseBody.length);
  assert.equal(
    statistics.disabledDeviceCount,
    responseBody.filter(({ status }) => status === 'disabled').length,
  );
  assert.equal(statistics.enabledDeviceCount + statistics.disabledDeviceCount, statistics.totalDeviceCount);
});

test('bulk creates, updates and removes up to a hundred devices, and tells which ones failed', async () => {
  const devices = Array.from({ length: 100 }, (_, n) => ({ deviceId: `bulk-${n}` }));
  const { responseBody: added } = await registry.addDevices(devices);
  assert.equal(added.isSuccessful, true);
  assert.deepEqual(added.errors, []);
  await registry.updateDevices(
    devices.map((device) => ({ ...device, status: 'disabled' as const })),
    true,
  );
  assert.equal((await registry.get('bulk-99')).responseBody.status, 'disabled');
  const again = await failsOrAnswers(registry.addDevices([{ deviceId: 'bulk-1' }, { deviceId: 'bulk-new' }]));
  assert.equal(again.isSuccessful, false);
  assert.deepEqual(
    again.errors.map(({ deviceId }) => deviceId),
    ['bulk-1'],
  );
  assert.match(String(again.errors[0]?.errorStatus ?? again.errors[0]?.errorCode), /already/);
  await registry.removeDevices(devices, true);
  await failsWith('DeviceNotFoundError', registry.get('bulk-50'));
  assert.equal((await registry.get('bulk-new')).responseBody.deviceId, 'bulk-new');
});

test('a policy that may not write is UnauthorizedError, and one line names it', async () => {
  const reader = createRegistry(hub, 'registryRead');
  await reader.list();
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', reader.create({ deviceId: 'no' }));
  assert.match(await lines.only(), /registryRead/);
  await failsWith('UnauthorizedError', createRegistry(hub, 'service').create({ deviceId: 'no' }));
});

test('a wrong key, an unknown policy and an expired token are UnauthorizedError, each with one line', async () => {
  const { name, key } = hub.policy('iothubowner');
  const future = Math.floor(Date.now() / 1000) + 60;
  const wrongKey = btoa('y'.repeat(32));
  for (const [token, line] of [
    [signed(name, wrongKey, future), /key/i],
    [signed('nobody', key, future), /nobody/],
    [signed(name, key, future - 3_600), /expired/],
    ['nonsense', /token|SAS|Authorization/i],
  ] as const) {
    const lines = hub.watchLines();
    await failsWith('UnauthorizedError', createRegistryWith(hub, token).list());
    assert.match(await lines.only(), line);
  }
});

test('deleting the commands of a device answers how many were purged, and feedback says Purged', async () => {
  await hub.addDevice('purged');
  const service = createService(hub);
  const feedback = await feedbackOf(service);
  for (let n = 0; n < 3; n += 1) {
    const message = new common.Message('x');
    message.ack = 'full';
    await service.send('purged', message);
  }
  const { body } = await call('DELETE', '/devices/purged/commands?api-version=2021-04-12');
  assert.deepEqual(body, { deviceId: 'purged', totalMessagesPurged: 3, moduleId: null });
  const records = await feedback.count(3);
  assert.deepEqual(new Set(records.map(({ statusCode }) => statusCode)), new Set(['Purged']));
  await failsWith('DeviceNotFoundError', call('DELETE', '/devices/nobody/commands?api-version=2021-04-12'));
});

test('queries select, count, filter and page', async () => {
  for (let n = 0; n < 25; n += 1) {
    const deviceId = `query-${String(n).padStart(2, '0')}`;
    await hub.addDevice(deviceId);
    await registry.updateTwin(
      deviceId,
      { tags: { site: n < 10 ? 'A' : 'B', floor: n }, properties: { desired: { on: n % 2 === 0 } } },
      '*',
    );
  }
  const all = async (query: string, pageSize?: number) => {
    const pages = registry.createQuery(query, pageSize);
    const rows: Record<string, unknown>[] = [];
    let count = 0;
    while (pages.hasMoreResults) {
      // Without the token, the promise form asks for the first page for ever.
      const { result } = (await pages.next(pages.continuationToken)) as { result: Record<string, unknown>[] };
      rows.push(...result);
      count += 1;
    }
    return { rows, count };
  };
  const site = await all("SELECT * FROM devices WHERE tags.site = 'A'");
  assert.equal(site.rows.length, 10);
  assert.ok(site.rows.every((twin) => (twin.tags as { site: string }).site === 'A'));
  const paged = await all("SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, 'query-')", 10);
  assert.equal(paged.count, 3);
  assert.equal(new Set(paged.rows.map((row) => row.deviceId)).size, 25);
  const counted = await all(
    "SELECT COUNT() AS n FROM devices WHERE STARTSWITH(deviceId, 'query-') AND properties.desired.on = true",
  );
  assert.deepEqual(counted.rows, [{ n: 13 }]);
  const logic = await all(
    'SELECT * FROM devices WHERE tags.floor >= 20 AND NOT (tags.floor IN [22, 23]) AND is_defined(tags.site)',
  );
  assert.deepEqual(
    logic.rows.map((twin) => (twin.tags as { floor: number }).floor).sort((a, b) => a - b),
    [20, 21, 24],
  );
  const twins = registry.createQuery("SELECT * FROM devices WHERE deviceId = 'query-03'");
  const { result } = (await twins.nextAsTwin()) as { result: iothub.Twin[] };
  assert.equal(result[0]?.tags.floor, 3);
});

test('a query that cannot be parsed is ArgumentError', async () => {
  for (const query of [
    'SELECT',
    'DELETE FROM devices',
    'SELECT * FROM devices WHERE',
    "SELECT * FROM devices WHERE tags.a = 'x",
  ]) {
    await failsWith('ArgumentError', registry.createQuery(query).next() as Promise<unknown>);
  }
});

type BulkResult = {
  isSuccessful: boolean;
  errors: { deviceId: string; errorCode: unknown; errorStatus: unknown }[];
};

/** A bulk that failed in part answers 400 with the result as its body. */
async function failsOrAnswers(promise: Promise<{ responseBody: BulkResult }>): Promise<BulkResult> {
  try {
    return (await promise).responseBody;
  } catch (error) {
    return JSON.parse((error as { responseBody: string }).responseBody) as BulkResult;
  }
}

function signed(name: string, key: string, expiry: number): string {
  return iothub.SharedAccessSignature.create(hub.hostName, name, key, expiry).toString();
}
