/** What is fuzzed: a hub in this process without sockets, for speed, or a hub in a process of its own behind real TLS. */
import type { Duplex } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Log } from '../src/diagnostics.ts';
import { signSas } from '../src/engine/sas.ts';
import type { Knowledge, Protocol } from './input.ts';
import { startMemoryHub } from './memory-hub.ts';
import { startHubProcess } from './process-hub.ts';

export type Target = {
  knowledge: Knowledge;
  open(protocol: Protocol): Duplex;
  /** Of the healthy device, which no input knows of. */
  healthy: { deviceId: string; token: string; sendFromCloud(body: string): Promise<void> };
  /** How many connections each front-end has. */
  connections(): Promise<Record<string, number>>;
  /** Memory in use, bytes: the heap after a collection, or the resident set of the other process. */
  memoryBytes(): Promise<number>;
  /** The share of clients that fall silent until the hub ends them: none where that takes it minutes. */
  lingering: number;
  /** How much more memory may be in use in the end than when a tenth of the inputs was done. */
  maxGrowthBytes: number;
  /** Undefined while the hub runs; else how its process ended. */
  ended(): string | undefined;
  stop(): Promise<void>;
};

const healthyId = 'healthy';
/** So many that most of the time is not spent in the damping of those who kick each other. */
const victims = Array.from({ length: 40 }, (_, n) => `fuzz-${n}`);
const expiresAtMs = Date.UTC(2100, 0, 1);

/** A hub in this process. An exception that escapes it ends the process, and thereby the run. */
export async function memoryTarget(options: { patienceMs: number }): Promise<Target> {
  const log: Log = {
    info() {},
    // What the hub has to say about anybody else is of no interest here.
    warn(finding) {
      if (finding.deviceId === healthyId) console.error(finding);
    },
  };
  const hub = await startMemoryHub({ log, deviceIds: victims, ...options });
  const device = await hub.engine.registry.create({ deviceId: healthyId });
  const key = device.authentication.symmetricKey.primaryKey ?? '';
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  return {
    knowledge: hub.knowledge,
    open: hub.open,
    healthy: {
      deviceId: healthyId,
      token: signSas({ resource: `${hub.knowledge.hostName}/devices/${healthyId}`, key, expiresAtMs }),
      sendFromCloud: (body) =>
        hub.engine.cloudToDevice.send(healthyId, { body: Buffer.from(body), system: {}, properties: {} }),
    },
    connections: async () => hub.connections(),
    async memoryBytes() {
      // What buffers held is given back a moment after they were collected.
      for (let round = 0; round < 3; round += 1) {
        collectGarbage();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    },
    lingering: 0.002,
    maxGrowthBytes: 16 * 1_048_576,
    ended: () => undefined,
    stop: hub.stop,
  };
}

/** A hub in a process of its own, through its command, over TLS. */
export async function tlsTarget(): Promise<Target> {
  const hub = await startHubProcess([healthyId, ...victims]);
  const token = (deviceId: string): string =>
    signSas({ resource: `${hub.hostName}/devices/${deviceId}`, key: hub.deviceKey(deviceId), expiresAtMs });
  const policyToken = (dialect: 'iothub' | 'eventhub'): string =>
    signSas({
      resource: hub.hostName,
      key: hub.ownerKey,
      policyName: 'iothubowner',
      expiresAtMs,
      dialect,
    });
  return {
    knowledge: {
      hostName: hub.hostName,
      idScope: hub.idScope,
      devices: victims.map((deviceId) => ({ deviceId, token: token(deviceId) })),
      ownerToken: policyToken('iothub'),
      eventHubToken: policyToken('eventhub'),
    },
    open: hub.open,
    healthy: {
      deviceId: healthyId,
      token: token(healthyId),
      sendFromCloud: (body) => hub.sendFromCloud(healthyId, body),
    },
    connections: hub.connections,
    memoryBytes: hub.residentBytes,
    // As devices do, with a keep-alive of minutes.
    lingering: 0,
    // A resident set grows with every peak, and shrinks late or never.
    maxGrowthBytes: 128 * 1_048_576,
    ended: hub.ended,
    stop: hub.stop,
  };
}
