/** The local IoT Hub, and Azurite beside it, for the tests of services: real TLS, Microsoft's unmodified SDKs on both sides. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ContainerClient } from '@azure/storage-blob';
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import type { Client } from 'azure-iot-device';
import { createLocalHub, type LocalHub, type LocalHubOptions } from '../../../local-hub/src/index.ts';
import { createObjects, type Objects } from '../blobs.ts';
import { trustAuthority } from '../trust.ts';

export type TestHub = LocalHub & {
  /** Ended before the hub: a device whose hub is gone tries for minutes to reach it, and so long the test's process lives. */
  readonly devices: (() => Promise<void>)[];
};

/** A hub without throttles that this process trusts; stopped after the test. */
export async function testHub(t: TestContext, options: LocalHubOptions = {}): Promise<TestHub> {
  const hub = await createLocalHub({ sku: 'off', ...options });
  const devices: TestHub['devices'] = [];
  t.after(async () => {
    await Promise.all(devices.map((close) => close()));
    await hub.stop();
  });
  trustAuthority(hub.caPem);
  return Object.assign(hub, { devices });
}

/** The same with a storage account. */
export async function testHubWithBlobs(
  t: TestContext,
  options: LocalHubOptions = {},
): Promise<TestHub & { storageConnectionString: string }> {
  const hub = await testHub(t, { storage: { azuritePort: 0 }, ...options });
  if (hub.storageConnectionString === undefined) throw new Error('the hub has no storage account');
  return hub as TestHub & { storageConnectionString: string };
}

export type TestBlobs = {
  connectionString: string;
  /** A container of its own. */
  objects: Objects;
  newContainer(): Promise<ContainerClient>;
};

/** A storage account: that of `hub` if one is given, else one of its own. */
export async function testBlobs(
  t: TestContext,
  hub?: { storageConnectionString: string },
): Promise<TestBlobs> {
  const { storageConnectionString: connectionString } = hub ?? (await testHubWithBlobs(t));
  const objects = createObjects({ connectionString, container: `objects-${randomUUID()}` });
  await objects.prepare();
  return {
    connectionString,
    objects,
    async newContainer() {
      const container = new ContainerClient(connectionString, `test-${randomUUID()}`);
      await container.create();
      return container;
    },
  };
}

const require = createRequire(import.meta.url);
const goodbyeMs = 1_000;

export type TestDevice = {
  client: Client;
  /** Resolves once the hub has acknowledged it. */
  send(body: Buffer, messageId?: string): Promise<void>;
};

/** A device on Microsoft's SDK over MQTT, registered and connected; closed before the hub stops. */
export async function testDevice(hub: TestHub, deviceId: string): Promise<TestDevice> {
  // Loaded only by tests that have a device: it takes a good part of a second.
  // biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
  const iot = require('azure-iot-device') as typeof import('azure-iot-device');
  // biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
  const { Mqtt } = require('azure-iot-device-mqtt') as typeof import('azure-iot-device-mqtt');
  const client = iot.Client.fromConnectionString(await hub.deviceConnectionString(deviceId), Mqtt);
  await client.setOptions({ ca: hub.caPem });
  await client.open();
  // The goodbye may never be answered.
  hub.devices.push(() =>
    Promise.race([
      client.close().then(
        () => {},
        () => {},
      ),
      setTimeout(goodbyeMs),
    ]),
  );
  return {
    client,
    async send(body, messageId = '') {
      const message = new iot.Message(body);
      message.messageId = messageId;
      await client.sendEvent(message);
    },
  };
}
