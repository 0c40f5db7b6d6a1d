/** A hub inside the test's process, over real TLS on ports of its own, whose log the tests read line by line. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { createLog } from '../src/diagnostics.ts';
import type { DeviceSpec } from '../src/engine/identity.ts';
import { signSas } from '../src/engine/sas.ts';
import { createLocalHub, type LocalHub, type LocalHubOptions } from '../src/index.ts';
import { type Endpoint, releaseLongTimers, trust } from './endpoint.ts';
import { eventually } from './expect.ts';

export type HubUnderTest = Endpoint &
  Pick<LocalHub, 'engine' | 'provisioning' | 'certificates' | 'restart'> & {
    /** Of the Azurite that the hub was told to run. */
    readonly storageConnectionString: string;
    /** Registers a device and answers its generation id and keys. */
    addDevice(deviceId: string, spec?: Omit<DeviceSpec, 'deviceId'>): Promise<AddedDevice>;
    /** The lines that the hub logs from now on. */
    watchLines(): Lines;
  };

export type AddedDevice = { generationId: string; primaryKey: string; secondaryKey: string };

export type Lines = {
  all(): string[];
  /** Waits for the one line that there must be, perhaps repeated, and answers it. */
  only(): Promise<string>;
};

const hourMs = 3_600_000;

/** What these tests would otherwise have to wait for. Everything else is as IoT Hub has it, but without throttles. */
const quick: LocalHubOptions = { sku: 'off', engine: { feedback: { maxWaitMs: 20 } } };

/** Starts a hub that stops, after its clients, at the end of the test or of the file. */
export async function startHub(options: LocalHubOptions = {}): Promise<HubUnderTest> {
  const lines: string[] = [];
  const log = createLog({ write: (line) => void lines.push(line), quietMs: 0 });
  const hub = await createLocalHub({
    ...quick,
    ...options,
    engine: { ...quick.engine, ...options.engine },
    log,
  });
  const cleanups: (() => unknown)[] = [];
  after(async () => {
    await Promise.all(cleanups.map((cleanup) => cleanup()));
    await hub.stop();
  });
  trust(hub.caPem);
  releaseLongTimers();

  const known = new Map<string, AddedDevice>();
  function policy(name: string) {
    const found = hub.engine.policies.get(name) ?? assert.fail(`no policy ${name}`);
    return { name, key: found.primaryKey };
  }
  const keysOf = (deviceId: string) => known.get(deviceId) ?? assert.fail(`${deviceId} was not added`);

  return {
    get port() {
      return hub.port;
    },
    get hostName() {
      return hub.hostName;
    },
    caPem: hub.caPem,
    caPath: hub.caPath,
    get engine() {
      return hub.engine;
    },
    get provisioning() {
      return hub.provisioning;
    },
    get storageConnectionString() {
      return hub.storageConnectionString ?? assert.fail('the hub has no storage');
    },
    certificates: hub.certificates,
    restart: hub.restart,
    eventHubName: hub.eventHubName,
    idScope: hub.provisioning.scopeId,
    policy,
    sign: (name, key, seconds = 3_600) =>
      signSas({ resource: hub.hostName, key, policyName: name, expiresAtMs: Date.now() + seconds * 1_000 }),
    connectionString: (name) => hub.connectionString(name),
    eventHubConnectionString: (tls = false) => hub.eventHubConnectionString({ tls }),
    deviceConnectionString: (deviceId) =>
      `HostName=${hub.hostName};DeviceId=${deviceId};SharedAccessKey=${keysOf(deviceId).primaryKey}`,
    deviceToken: (deviceId) =>
      signSas({
        resource: `${hub.hostName}/devices/${deviceId}`,
        key: keysOf(deviceId).primaryKey,
        expiresAtMs: Date.now() + hourMs,
      }),
    onStop: (cleanup) => void cleanups.unshift(cleanup),
    async addDevice(deviceId, spec = {}) {
      const { generationId, authentication } = await hub.engine.registry.create({ deviceId, ...spec });
      const { primaryKey, secondaryKey } = authentication.symmetricKey;
      const added = { generationId, primaryKey: primaryKey ?? '', secondaryKey: secondaryKey ?? '' };
      known.set(deviceId, added);
      return added;
    },
    watchLines() {
      const from = lines.length;
      const all = () => lines.slice(from);
      return {
        all,
        async only() {
          await eventually('a line of the log', () => (lines.length > from ? true : undefined));
          // As it is printed: what repeats itself is only counted.
          const [line = '', ...others] = new Set(all());
          assert.deepEqual(others, [], `only this line was expected: ${line}`);
          return line;
        },
      };
    },
  };
}
