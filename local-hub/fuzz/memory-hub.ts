/** A hub without sockets: the engine and the three front-ends over an in-memory store, each connection a pair of streams. */

import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { createAmqpFrontEnd } from '../src/amqp/front-end.ts';
import type { Log } from '../src/diagnostics.ts';
import { createProvisioning } from '../src/dps/provisioning.ts';
import { createSystemClock } from '../src/engine/clock.ts';
import { createEngine, type Engine } from '../src/engine/engine.ts';
import { signSas } from '../src/engine/sas.ts';
import { createHttpFrontEnd } from '../src/http/front-end.ts';
import { createMqttFrontEnd } from '../src/mqtt/front-end.ts';
import { openStore } from '../src/store/open-store.ts';
import { createWebSockets } from '../src/websocket.ts';
import type { Knowledge, Protocol } from './input.ts';

export type MemoryHub = {
  engine: Engine;
  knowledge: Knowledge;
  /** A new connection; the client's end of it. */
  open(protocol: Protocol): Duplex;
  /** Connections that each front-end still has. */
  connections(): Record<string, number>;
  stop(): Promise<void>;
};

export type MemoryHubOptions = {
  log: Log;
  /** How long a client may be silent before it has said who it is, ms. */
  patienceMs: number;
  deviceIds: readonly string[];
};

const hostName = 'localhost:18443';
/** Far enough for every replay, and the same in each, so that tokens have the same bytes. */
const expiresAtMs = Date.UTC(2100, 0, 1);
const key = Buffer.alloc(32, 1).toString('base64');

/** Starts the hub with its devices, whose key is always the same. */
export async function startMemoryHub(options: MemoryHubOptions): Promise<MemoryHub> {
  const { log, patienceMs, deviceIds } = options;
  const clock = createSystemClock();
  const store = openStore({ dataDir: undefined, log });
  const settings = {
    hostName,
    throttles: 'off' as const,
    // What the inputs leave behind must not be mistaken for a leak.
    telemetry: { retentionBytes: 4 * 1024 * 1024, maxTailBytes: 1024 * 1024 },
  };
  const engine = await createEngine({ store, clock, log, settings });
  const { documents } = store;
  const provisioning = createProvisioning({ engine, documents, clock, log, hostName });
  const eventHubName = 'messages/events';
  const mqtt = createMqttFrontEnd({
    engine,
    provisioning,
    documents,
    log,
    clock,
    settings: { handshakeTimeoutMs: patienceMs, maxKeepAliveMs: patienceMs },
  });
  const amqp = createAmqpFrontEnd({
    engine,
    log,
    clock,
    eventHubName,
    settings: { authenticationMs: patienceMs, idleTimeoutMs: patienceMs },
  });
  const webSockets = createWebSockets(log);
  const http = createHttpFrontEnd({
    engine,
    provisioning,
    log,
    clock,
    hostName,
    adminToken: 'none that anybody knows',
    control: { restart: async () => {}, connectionCounts: () => ({ mqtt: 0, amqp: 0, http: 0 }) },
    onUpgrade(request, stream, head, info) {
      const peer = { ...info, websocket: true };
      webSockets
        .upgrade(request, stream, head, (protocol, bytes) =>
          (protocol === 'mqtt' ? mqtt : amqp).accept(bytes, peer),
        )
        .catch(() => stream.destroy());
    },
  });
  for (const deviceId of deviceIds) {
    const symmetricKey = { primaryKey: key, secondaryKey: key };
    await engine.registry.create({ deviceId, authentication: { type: 'sas', symmetricKey } });
  }

  let opened = 0;
  function open(protocol: Protocol): Duplex {
    // As sockets do: whoever hears the other side end, ends as well.
    const [client, server] = duplexPair({ allowHalfOpen: false });
    // A pair does not tell that the other half was destroyed; a socket does.
    client.once('close', () => server.destroy());
    opened += 1;
    const info = { remote: `memory:${opened}`, websocket: false, clientCertificate: undefined };
    if (protocol === 'mqtt') mqtt.accept(server, info);
    else if (protocol === 'amqp') amqp.accept(server, info);
    else http.accept(asSocket(server), info);
    return client;
  }

  const owner = engine.policies.get('iothubowner');
  const sign = (dialect: 'iothub' | 'eventhub') =>
    signSas({
      resource: hostName,
      key: owner?.primaryKey ?? '',
      policyName: 'iothubowner',
      expiresAtMs,
      dialect,
    });
  return {
    engine,
    open,
    knowledge: {
      hostName,
      idScope: provisioning.scopeId,
      devices: deviceIds.map((deviceId) => ({
        deviceId,
        token: signSas({ resource: `${hostName}/devices/${deviceId}`, key, expiresAtMs }),
      })),
      ownerToken: sign('iothub'),
      eventHubToken: sign('eventhub'),
    },
    connections: () => ({
      mqtt: mqtt.connectionCount,
      amqp: amqp.connectionCount,
      http: http.connectionCount,
    }),
    async stop() {
      await engine.stop();
      await Promise.all([mqtt.close(), amqp.close(), http.close()]);
      await store.close();
    },
  };
}

/** Node's HTTP server takes any duplex stream, and asks a few more things of it than a stream has. */
function asSocket(stream: Duplex): Socket {
  const nothing = () => stream;
  return Object.assign(stream, {
    setTimeout: nothing,
    setNoDelay: nothing,
    setKeepAlive: nothing,
  }) as unknown as Socket;
}
