/** MQTT CONNECT with azure-iot-device: every way in, and every way to be turned away with the SDK's own error and one line for the person. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import { eventually, failsWith } from './expect.ts';
import { startHub } from './hub.ts';
import { createDevice, createRegistry, openDevice } from './sdk.ts';

const hub = await startHub();
const registry = createRegistry(hub);

test('a device opens with its connection string and is seen as connected until it closes', async () => {
  await hub.addDevice('plain');
  const client = await openDevice(hub, 'plain');
  assert.equal((await registry.get('plain')).responseBody.connectionState, 'Connected');
  await client.close();
  await eventually('the device to be disconnected', async () => {
    const { responseBody } = await registry.get('plain');
    // The SDK's own type has the states in lower case; IoT Hub never did.
    return String(responseBody.connectionState) === 'Disconnected' ? true : undefined;
  });
});

test('the secondary key opens as well as the primary one', async () => {
  const { secondaryKey } = await hub.addDevice('secondary');
  const connectionString = `HostName=${hub.hostName};DeviceId=secondary;SharedAccessKey=${secondaryKey}`;
  await openDevice(hub, 'secondary', { connectionString });
});

test('product information and a model id are accepted, and the model id shows in the twin', async () => {
  await hub.addDevice('modelled');
  const modelId = 'dtmi:com:example:Workstation;1';
  await openDevice(hub, 'modelled', { sdk: { productInfo: 'conformance (1; é&=?)', modelId } });
  const { responseBody } = await registry.getTwin('modelled');
  assert.equal((responseBody as { modelId?: string }).modelId, modelId);
});

for (const [how, hostName] of [
  ['an IP address', (port: number) => `HostName=127.0.0.1:${port}`],
  [
    'a gateway host name under a foreign host name',
    (port: number) => `HostName=contoso.azure-devices.net;GatewayHostName=localhost:${port}`,
  ],
] as const) {
  test(`a device opens through ${how}`, async () => {
    const deviceId = `by-${how.split(' ')[1]}`;
    const { primaryKey } = await hub.addDevice(deviceId);
    const connectionString = `${hostName(hub.port)};DeviceId=${deviceId};SharedAccessKey=${primaryKey}`;
    await openDevice(hub, deviceId, { connectionString });
  });
}

test('a device opens with a token that somebody else signed for it', async () => {
  const { primaryKey } = await hub.addDevice('tokened');
  const token = iot.SharedAccessSignature.create(hub.hostName, 'tokened', primaryKey, secondsFromNow(60));
  const client = iot.Client.fromSharedAccessSignature(token.toString(), Mqtt);
  await client.setOptions({ ca: hub.caPem });
  await client.open();
  await client.close();
});

test('a token of the policy "device" opens any device', async () => {
  await hub.addDevice('policied');
  const { name, key } = hub.policy('device');
  const connectionString = `HostName=${hub.hostName};DeviceId=policied;SharedAccessKeyName=${name};SharedAccessKey=${key}`;
  await openDevice(hub, 'policied', { connectionString });
});

test('a wrong key is UnauthorizedError and one line that names the device and the key', async () => {
  await hub.addDevice('wrong-key');
  const connectionString = `HostName=${hub.hostName};DeviceId=wrong-key;SharedAccessKey=${btoa('x'.repeat(32))}`;
  const client = await createDevice(hub, 'wrong-key', { connectionString });
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', client.open());
  assert.match(await lines.only(), /wrong-key.*key/i);
});

test('an expired token is UnauthorizedError and one line that says when', async () => {
  const { primaryKey } = await hub.addDevice('expired');
  const token = iot.SharedAccessSignature.create(hub.hostName, 'expired', primaryKey, secondsFromNow(-100));
  const client = iot.Client.fromSharedAccessSignature(token.toString(), Mqtt);
  await client.setOptions({ ca: hub.caPem });
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', client.open());
  assert.match(await lines.only(), /expired.*expired at \d{4}-\d\d-\d\dT/);
});

test('a token of another device is UnauthorizedError and one line that names both', async () => {
  const { primaryKey } = await hub.addDevice('mine');
  await hub.addDevice('other');
  const token = iot.SharedAccessSignature.create(hub.hostName, 'mine', primaryKey, secondsFromNow(60));
  const provider = new iot.SharedAccessSignatureAuthenticationProvider({
    host: hub.hostName,
    deviceId: 'other',
    sharedAccessSignature: token.toString(),
  });
  const client = iot.Client.fromAuthenticationProvider(provider, Mqtt);
  await client.setOptions({ ca: hub.caPem });
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', client.open());
  assert.match(await lines.only(), /other.*devices\/mine.*devices\/other/);
});

test('an unknown device is UnauthorizedError and one line that says so', async () => {
  const connectionString = `HostName=${hub.hostName};DeviceId=nobody;SharedAccessKey=${btoa('x'.repeat(32))}`;
  const client = await createDevice(hub, 'nobody', { connectionString });
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', client.open());
  assert.match(await lines.only(), /nobody.*(no device|not registered|unknown|does not exist)/i);
});

test('a disabled device is UnauthorizedError and one line that says so', async () => {
  await hub.addDevice('disabled', { status: 'disabled' });
  const client = await createDevice(hub, 'disabled');
  const lines = hub.watchLines();
  await failsWith('UnauthorizedError', client.open());
  assert.match(await lines.only(), /disabled.*disabled/i);
});

test('a throttled connection is return code 3, which is ServiceUnavailableError, and the SDK tries again', async () => {
  await hub.addDevice('busy');
  hub.engine.faults.inject({ kind: 'throttle', deviceId: 'busy', count: 2 });
  await failsWith('ServiceUnavailableError', (await createDevice(hub, 'busy')).open());
  await (await createDevice(hub, 'busy', { retry: true })).open();
  assert.deepEqual(hub.engine.faults.list(), []);
});

test('trap: the first open fails as UnauthorizedError and is not retried, whatever the cause was', async (t) => {
  await hub.addDevice('first-open');
  await t.test('nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    const connectionString = hub
      .deviceConnectionString('first-open')
      .replace(hub.hostName, `localhost:${port}`);
    const client = await createDevice(hub, 'first-open', { retry: true, connectionString });
    const error = await failsWith('UnauthorizedError', client.open());
    assert.match(error.message, /ECONNREFUSED/);
  });
  await t.test('the authority is not trusted', async () => {
    const { certPem: ca } = await hub.certificates.issueAuthority('somebody else');
    const client = await createDevice(hub, 'first-open', { retry: true, sdk: { ca } });
    const lines = hub.watchLines();
    const error = await failsWith('UnauthorizedError', client.open());
    assert.match(error.message, /certificate/);
    assert.match(await lines.only(), /certificate|authority|ca\.pem/i);
  });
});

function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
