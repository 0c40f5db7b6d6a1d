/** A hub over real TLS, a bus on the unmodified SDK with a real outbox, and the cloud's side of both, for tests. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CloudToDevice,
  CloudToDeviceSchema,
  type DeviceToCloud,
  DeviceToCloudSchema,
} from '@iotdh/proto/bus/v1';
import { createLocalHub, type LocalHub, type LocalHubOptions } from '../../../../local-hub/src/index.ts';
import { openOutbox } from '../../outbox/open-outbox.ts';
import { type AzureBusOptions, createAzureBus } from '../azure-bus.ts';
import type { Assignment, Bus, Command, Link } from '../bus.ts';
import type { Clock } from '../clock.ts';
import type { Note } from '../notes.ts';

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Things that happen, and a way to wait for one. */
export type Seen<T> = { all: T[]; add(item: T): void; find(wanted: (item: T) => boolean): Promise<T> };

export function createSeen<T>(): Seen<T> {
  const all: T[] = [];
  const waiting = new Set<(item: T) => void>();
  return {
    all,
    add(item) {
      all.push(item);
      for (const tell of [...waiting]) tell(item);
    },
    find(wanted) {
      const found = all.find(wanted);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => {
        const tell = (item: T) => {
          if (!wanted(item)) return;
          waiting.delete(tell);
          resolve(item);
        };
        waiting.add(tell);
      });
    },
  };
}

/** Sends requests for port 443, which the SDK has built in for WebSocket, to the hub. */
class PortMapAgent extends Agent {
  readonly #port: number;
  constructor(port: number) {
    super();
    this.#port = port;
  }
  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return super.createConnection({ ...options, host: 'localhost', port: this.#port }, callback);
  }
}

export const deviceId = 'workstation-1';

export type Rig = Awaited<ReturnType<typeof createRig>>;

export async function createRig(t: TestContext, hubOptions: LocalHubOptions = {}) {
  const hub: LocalHub = await createLocalHub({ sku: 'off', ...hubOptions });
  t.after(() => hub.stop());
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-bus-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const connectionString = await hub.deviceConnectionString(deviceId);
  const { outbox } = openOutbox({ path: join(folder, 'outbox.db'), clock: realClock });
  t.after(() => outbox.close());

  const notes = createSeen<Note>();
  const links = createSeen<Link>();
  const assignments = createSeen<Assignment>();
  const agent = new PortMapAgent(hub.port);
  t.after(() => agent.destroy());
  let route: string | undefined;

  function createBus(changes: Partial<AzureBusOptions> = {}): Bus {
    const bus = createAzureBus({
      credentials: { kind: 'connection_string', connectionString },
      outgoing: outbox,
      receivers: {},
      onAssignment: assignments.add,
      routeMemory: {
        read: () => route,
        write(worked) {
          route = worked;
        },
      },
      clock: realClock,
      random: Math.random,
      notes: notes.add,
      sdk: { ca: hub.caPem, mqtt: { webSocketAgent: agent } },
      backoff: { baseMs: 5, maxMs: 40 },
      ...changes,
    });
    bus.onLink(links.add);
    t.after(() => bus.stop());
    return bus;
  }

  return {
    hub,
    outbox,
    notes,
    links,
    assignments,
    connectionString,
    get route() {
      return route;
    },
    createBus,
    async openBus(changes: Partial<AzureBusOptions> = {}) {
      const bus = createBus(changes);
      bus.start();
      await links.find(({ kind }) => kind === 'open');
      return bus;
    },
    telemetry: tapTelemetry(hub),
    /** Sends a command from the cloud. */
    send: (payload: Command, changes?: Parameters<typeof sendTo>[2]) => sendTo(hub, payload, changes),
    /** Waits for the next opening of the link after now. */
    async reopened(): Promise<void> {
      const before = links.all.length;
      await links.find((link) => link.kind === 'open' && links.all.indexOf(link) >= before);
    },
  };
}

let lastSequence = 0n;

export async function sendTo(
  hub: LocalHub,
  payload: Command,
  changes: Pick<Partial<CloudToDevice>, 'messageId' | 'version' | 'traceParent'> = {},
): Promise<string> {
  lastSequence += 1n;
  const isFrame = payload.case === 'frame' || payload.case === 'transferRefused';
  const messageId = changes.messageId ?? randomUUID();
  const message = create(CloudToDeviceSchema, {
    version: 1,
    sequence: isFrame ? 0n : lastSequence,
    messageId,
    time: timestampFromMs(Date.now()),
    payload,
    ...changes,
  });
  await sendBytes(hub, toBinary(CloudToDeviceSchema, message), messageId);
  return messageId;
}

export async function sendBytes(
  hub: LocalHub,
  body: Uint8Array,
  messageId: string = randomUUID(),
): Promise<void> {
  const system = { messageId, contentType: 'application/x-protobuf' };
  await hub.engine.cloudToDevice.send(deviceId, { body: Buffer.from(body), system, properties: {} });
}

/** What the hub has of the device, as the backend would read it. A restart of the hub ends it: tap again. */
export function tapTelemetry(hub: LocalHub): Seen<DeviceToCloud> {
  const seen = createSeen<DeviceToCloud>();
  const { telemetry } = hub.engine;
  const cursor = telemetry.open(telemetry.partitionOf(deviceId), 'earliest');
  const readAll = () => {
    for (const { message } of cursor.read(1_000)) {
      seen.add(fromBinary(DeviceToCloudSchema, message.body));
    }
  };
  cursor.onAvailable(readAll);
  readAll();
  return seen;
}
