/** Devices that authenticate with a certificate: by thumbprint and through an authority, over MQTT, AMQP and HTTPS. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import { tapEvents } from './events.ts';
import { failsWith } from './expect.ts';
import { startHub } from './hub.ts';
import { createDevice, type Transport } from './sdk.ts';

const hub = await startHub();
const events = tapEvents(hub);

type Certificate = { certPem: string; keyPem: string };

async function createX509(
  deviceId: string,
  certificate: Certificate,
  transport: Transport = Mqtt,
): Promise<iot.Client> {
  return createDevice(hub, deviceId, {
    transport,
    connectionString: `HostName=${hub.hostName};DeviceId=${deviceId};x509=true`,
    sdk: { cert: certificate.certPem, key: certificate.keyPem },
  });
}

const sha1 = (pem: string): string => new X509Certificate(pem).fingerprint.replaceAll(':', '');
const sha256 = (pem: string): string => new X509Certificate(pem).fingerprint256.replaceAll(':', '');

for (const [name, transport] of [
  ['MQTT', Mqtt],
  ['MQTT over WebSocket', MqttWs],
  ['AMQP', Amqp],
] as const) {
  const prefix = name.toLowerCase().replaceAll(' ', '-');

  test(`${name}: a certificate with the registered SHA-1 or SHA-256 thumbprint opens, and telemetry says so`, async () => {
    for (const [kind, digest] of [
      ['sha1', sha1],
      ['sha256', sha256],
    ] as const) {
      const deviceId = `${prefix}-${kind}`;
      const certificate = await hub.certificates.issueClient(deviceId);
      await hub.addDevice(deviceId, {
        authentication: {
          type: 'selfSigned',
          x509Thumbprint: { primaryThumbprint: digest(certificate.certPem) },
        },
      });
      const client = await createX509(deviceId, certificate, transport);
      await client.open();
      const message = new iot.Message('x');
      message.messageId = deviceId;
      await client.sendEvent(message);
      const event = await events.byId(deviceId);
      const method = JSON.parse(String(event.systemProperties?.['iothub-connection-auth-method'])) as {
        type: string;
      };
      assert.equal(method.type, 'x509Certificate');
      await client.close();
    }
  });

  test(`${name}: a certificate of an authority that was uploaded opens, also through an intermediate`, async () => {
    const authority = await hub.certificates.issueAuthority(`company ${prefix}`);
    await hub.engine.authorities.add({ name: `company-${prefix}`, certificatePem: authority.certPem });
    const intermediate = await hub.certificates.issueIntermediate('plant', { issuer: authority });
    const deviceId = `${prefix}-authority`;
    await hub.addDevice(deviceId, { authentication: { type: 'certificateAuthority' } });
    const direct = await createX509(
      deviceId,
      await hub.certificates.issueClient(deviceId, { issuer: authority }),
      transport,
    );
    await direct.open();
    await direct.close();
    const leaf = await hub.certificates.issueClient(deviceId, { issuer: intermediate });
    const chained = { certPem: leaf.certPem + intermediate.certPem, keyPem: leaf.keyPem };
    const through = await createX509(deviceId, chained, transport);
    await through.open();
    await through.close();
  });
}

test('another certificate, an untrusted authority, another common name and an expired certificate are UnauthorizedError with one line each', async () => {
  const authority = await hub.certificates.issueAuthority('trusted');
  await hub.engine.authorities.add({ name: 'trusted', certificatePem: authority.certPem });
  const stranger = await hub.certificates.issueAuthority('stranger');
  const registered = await hub.certificates.issueClient('x');
  await hub.addDevice('thumb', {
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: sha1(registered.certPem) } },
  });
  await hub.addDevice('ca', { authentication: { type: 'certificateAuthority' } });
  for (const [deviceId, certificate, line] of [
    ['thumb', await hub.certificates.issueClient('thumb'), /thumb.*thumbprint/i],
    ['ca', await hub.certificates.issueClient('ca', { issuer: stranger }), /ca.*(authority|trust|chain)/i],
    ['ca', await hub.certificates.issueClient('other', { issuer: authority }), /ca.*(common name|other)/i],
    ['ca', await hub.certificates.issueClient('ca', { issuer: authority, validDays: -1 }), /ca.*expired/i],
  ] as const) {
    const client = await createX509(deviceId, certificate);
    const lines = hub.watchLines();
    await failsWith('UnauthorizedError', client.open());
    assert.match(await lines.only(), line);
  }
});

test('a device with keys is not opened by a certificate, nor one with a certificate by a key', async () => {
  await hub.addDevice('keyed');
  await failsWith(
    'UnauthorizedError',
    (await createX509('keyed', await hub.certificates.issueClient('keyed'))).open(),
  );
  const certificate = await hub.certificates.issueClient('certified');
  await hub.addDevice('certified', {
    authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: sha1(certificate.certPem) } },
  });
  const connectionString = `HostName=${hub.hostName};DeviceId=certified;SharedAccessKey=${btoa('k'.repeat(32))}`;
  await failsWith('UnauthorizedError', (await createDevice(hub, 'certified', { connectionString })).open());
});
