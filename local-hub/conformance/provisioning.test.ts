/** azure-iot-provisioning-device over MQTT: symmetric keys and certificates, individual enrollments and groups, then the hub itself. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import provisioning from 'azure-iot-provisioning-device';
import { Mqtt as ProvisioningMqtt } from 'azure-iot-provisioning-device-mqtt';
import symmetric from 'azure-iot-security-symmetric-key';
import x509 from 'azure-iot-security-x509';
import { within } from './expect.ts';
import { startHub } from './hub.ts';
import { createDevice, createRegistry } from './sdk.ts';

const hub = await startHub();
const registry = createRegistry(hub);
const key = Buffer.alloc(64, 5).toString('base64');

type Result = { assignedHub: string; deviceId: string; status: string; payload?: unknown };
type Certificate = { certPem: string; keyPem: string };

function withKey(registrationId: string, deviceKey: string, scopeId = hub.idScope) {
  const security = new symmetric.SymmetricKeySecurityClient(registrationId, deviceKey);
  // The two packages carry different copies of azure-iot-common, so that their types do not know each other.
  return provisioning.ProvisioningDeviceClient.create(
    hub.hostName,
    scopeId,
    new ProvisioningMqtt(),
    security as never,
  );
}

function withCertificate(registrationId: string, { certPem, keyPem }: Certificate) {
  const security = new x509.X509Security(registrationId, { cert: certPem, key: keyPem });
  return provisioning.ProvisioningDeviceClient.create(
    hub.hostName,
    hub.idScope,
    new ProvisioningMqtt(),
    security,
  );
}

type Registration = ReturnType<typeof provisioning.ProvisioningDeviceClient.create>;

async function register(client: Registration): Promise<Result> {
  return (await within('the registration', Promise.resolve(client.register()))) as Result;
}

async function refused(client: Registration): Promise<Error> {
  const error = await within(
    'a refusal',
    Promise.resolve(client.register()).then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.ok(error instanceof Error, 'it succeeded');
  return error;
}

const derived = (registrationId: string) =>
  createHmac('sha256', Buffer.from(key, 'base64')).update(registrationId).digest('base64');

test('an individual key registers, the identity has that key and the initial twin, and opens the hub', async () => {
  await hub.provisioning.individuals.put('one', {
    registrationId: 'one',
    deviceId: 'one-device',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } },
    initialTwin: { tags: { site: 'A' }, properties: { desired: { interval: 5 } } },
  });
  const client = withKey('one', key);
  client.setProvisioningPayload({ model: 'x' });
  const result = await register(client);
  assert.equal(result.status, 'assigned');
  assert.equal(result.deviceId, 'one-device');
  assert.equal(result.assignedHub, hub.hostName);
  const { responseBody: twin } = await registry.getTwin('one-device');
  assert.deepEqual(twin.tags, { site: 'A' });
  assert.equal((twin.properties.desired as { interval?: number }).interval, 5);
  const connectionString = `HostName=${result.assignedHub};DeviceId=${result.deviceId};SharedAccessKey=${key}`;
  const device = await createDevice(hub, result.deviceId, { connectionString, transport: Mqtt });
  await device.open();
});

test('registering again finds the same device', async () => {
  const first = await registry.get('one-device');
  assert.equal((await register(withKey('one', key))).deviceId, 'one-device');
  assert.equal((await registry.get('one-device')).responseBody.generationId, first.responseBody.generationId);
});

test('a group key registers any device with the key derived for it', async () => {
  await hub.provisioning.groups.put('fleet', {
    enrollmentGroupId: 'fleet',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } },
  });
  for (const registrationId of ['fleet-1', 'fleet-2']) {
    const result = await register(withKey(registrationId, derived(registrationId)));
    assert.equal(result.deviceId, registrationId);
    const connectionString = `HostName=${result.assignedHub};DeviceId=${registrationId};SharedAccessKey=${derived(registrationId)}`;
    await (await createDevice(hub, registrationId, { connectionString })).open();
  }
});

test('an individual certificate registers and opens the hub', async () => {
  const certificate = await hub.certificates.issueClient('cert-one');
  await hub.provisioning.individuals.put('cert-one', {
    registrationId: 'cert-one',
    attestation: {
      type: 'x509',
      x509: { clientCertificates: { primary: { certificate: certificate.certPem } } },
    },
  });
  const result = await register(withCertificate('cert-one', certificate));
  assert.equal(result.deviceId, 'cert-one');
  const connectionString = `HostName=${result.assignedHub};DeviceId=cert-one;x509=true`;
  for (const transport of [Mqtt, MqttWs]) {
    const sdk = { cert: certificate.certPem, key: certificate.keyPem };
    await (await createDevice(hub, 'cert-one', { connectionString, sdk, transport })).open();
  }
});

test('a group of certificates registers whoever its authority signed', async () => {
  const authority = await hub.certificates.issueAuthority('device makers');
  await hub.provisioning.groups.put('makers', {
    enrollmentGroupId: 'makers',
    attestation: {
      type: 'x509',
      x509: { signingCertificates: { primary: { certificate: authority.certPem } } },
    },
  });
  const certificate = await hub.certificates.issueClient('made-1', { issuer: authority });
  assert.equal((await register(withCertificate('made-1', certificate))).deviceId, 'made-1');
  const stranger = await hub.certificates.issueClient('made-2', {
    issuer: await hub.certificates.issueAuthority('somebody else'),
  });
  const lines = hub.watchLines();
  await refused(withCertificate('made-2', stranger));
  assert.match(await lines.only(), /made-2/);
});

for (const [what, client, line] of [
  ['an unknown registration id', () => withKey('nobody', key), /nobody/],
  ['a wrong key', () => withKey('one', btoa('w'.repeat(32))), /one.*key/i],
  ['a wrong id scope', () => withKey('one', key, '0neWRONG'), /0neWRONG/],
] as const) {
  test(`${what} is refused as Unauthorized, with one line`, async () => {
    const lines = hub.watchLines();
    const error = await refused(client());
    assert.match(`${error.name} ${error.message} ${JSON.stringify(error)}`, /unauthorized|401/i);
    assert.match(await lines.only(), line);
  });
}

test('a disabled enrollment is refused, with one line', async () => {
  await hub.provisioning.individuals.put('off', {
    registrationId: 'off',
    provisioningStatus: 'disabled',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } },
  });
  const lines = hub.watchLines();
  await refused(withKey('off', key));
  assert.match(await lines.only(), /off.*disabled/);
});
