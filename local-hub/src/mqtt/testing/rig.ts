/**
 * For tests: a whole hub behind an MQTT front-end, with clients connected in memory and time that stands still.
 */

import { duplexPair } from 'node:stream';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Finding } from '../../diagnostics.ts';
import { createProvisioning } from '../../dps/provisioning.ts';
import { createManualClock, type ManualClock } from '../../engine/clock.ts';
import { createEngine, type Engine, type EngineSettings } from '../../engine/engine.ts';
import { signSas } from '../../engine/sas.ts';
import type { StoredEvent } from '../../engine/telemetry.ts';
import { openStore } from '../../store/open-store.ts';
import type { Store } from '../../store/store.ts';
import type { ConnectionInfo } from '../connection.ts';
import { createMqttFrontEnd, type MqttFrontEnd } from '../front-end.ts';
import type { MqttSettings } from '../settings.ts';
import { type ConnectFields, createRawClient, type RawClient } from './raw-client.ts';

export const hostName = 'localhost:18443';

export type RigOptions = {
  engine?: Partial<EngineSettings>;
  mqtt?: Partial<MqttSettings>;
  /** A store to go on with, as after a restart. Default: a new one in memory. */
  store?: Store;
};

export type Rig = {
  engine: Engine;
  frontEnd: MqttFrontEnd;
  store: Store;
  clock: ManualClock;
  provisioning: ReturnType<typeof createProvisioning>;
  /** What the log said. */
  findings: Finding[];
  /** Resolves when everything under way has run its course. */
  settled(): Promise<void>;
  /** A device's CONNECT fields with a valid token. */
  credentials(deviceId?: string): ConnectFields;
  /** A client that has not said anything yet. */
  open(info?: Partial<ConnectionInfo>, defaults?: ConnectFields): RawClient;
  /** A client of the device that is connected. */
  connect(packet?: ConnectFields, deviceId?: string): Promise<RawClient>;
  /** All device-to-cloud events of the hub. */
  events(): StoredEvent[];
  /** Closes the front-end and the engine; the store stays open. */
  stop(): Promise<void>;
};

/** Opens a hub with the device `dev`. Throttles are off unless `options` say otherwise. */
export async function openRig(t: TestContext, options: RigOptions = {}): Promise<Rig> {
  const clock = createManualClock();
  const store = options.store ?? openStore({ dataDir: undefined });
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const settings: EngineSettings = { hostName, throttles: 'off', ...options.engine };
  const engine = await createEngine({ store, clock, log, settings });
  const { documents } = store;
  const provisioning = createProvisioning({ engine, documents, clock, log, hostName, retryAfterSeconds: 0 });
  const frontEnd = createMqttFrontEnd({
    engine,
    provisioning,
    documents,
    log,
    clock,
    ...(options.mqtt && { settings: options.mqtt }),
  });
  if (!engine.registry.has('dev')) await engine.registry.create({ deviceId: 'dev' });

  async function settled(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) {
      await store.flushed();
      await nextTurn();
    }
  }

  function credentials(deviceId = 'dev'): ConnectFields {
    const key = engine.registry.require(deviceId).authentication.symmetricKey.primaryKey ?? '';
    const resource = `${hostName}/devices/${deviceId}`;
    const token = signSas({ resource, key, expiresAtMs: clock.now() + 3_600_000 });
    const username = `${hostName}/${deviceId}/?api-version=2021-04-12`;
    return { clientId: deviceId, username, password: Buffer.from(token), keepalive: 60 };
  }

  function open(info: Partial<ConnectionInfo> = {}, defaults: ConnectFields = {}): RawClient {
    const [ours, theirs] = duplexPair({ allowHalfOpen: false });
    // A pair in memory does not carry a broken link to its other end, as a socket does.
    theirs.once('close', () => ours.destroy());
    frontEnd.accept(ours, { remote: 'test', websocket: false, ...info });
    return createRawClient(theirs, defaults);
  }

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    stopped ??= frontEnd.close().then(() => engine.stop());
    await stopped;
  }
  t.after(async () => {
    await stop();
    if (options.store === undefined) await store.close();
  });

  return {
    engine,
    frontEnd,
    store,
    clock,
    provisioning,
    findings,
    settled,
    credentials,
    open,
    async connect(packet, deviceId) {
      const client = open({}, credentials(deviceId));
      await client.connect(packet);
      return client;
    },
    events() {
      const { telemetry } = engine;
      return telemetry.partitionIds.flatMap((id) => {
        const cursor = telemetry.open(Number(id), 'earliest');
        const events: StoredEvent[] = [];
        for (let batch = cursor.read(1_000); batch.length > 0; batch = cursor.read(1_000))
          events.push(...batch);
        cursor.close();
        return events;
      });
    },
    stop,
  };
}
