/**
 * For tests: a whole hub behind an AMQP front-end, on a TLS port, a plain port and a WebSocket port, with Microsoft's SDKs and
 * raw rhea peers as clients. Time stands still unless it is moved.
 */
import { type EventEmitter, once } from 'node:events';
import { Agent, createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ConnectionOptions as ConnectOptions,
  connect,
  createServer as createTlsServer,
  getCACertificates,
  setDefaultCACertificates,
} from 'node:tls';
import rhea, { type Connection, type ConnectionOptions } from 'rhea';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Finding } from '../../diagnostics.ts';
import { createManualClock, type ManualClock } from '../../engine/clock.ts';
import { createEngine, type Engine, type EngineSettings } from '../../engine/engine.ts';
import { signSas } from '../../engine/sas.ts';
import { issueCertificate } from '../../issue-certificate.ts';
import { openStore } from '../../store/open-store.ts';
import { type AmqpFrontEnd, createAmqpFrontEnd } from '../front-end.ts';
import type { AmqpSettings } from '../settings.ts';

export const eventHubName = 'testhub';

export type RigOptions = {
  engine?: Partial<EngineSettings>;
  amqp?: Partial<AmqpSettings>;
  consumerGroups?: readonly string[];
};

export type Rig = {
  engine: Engine;
  frontEnd: AmqpFrontEnd;
  clock: ManualClock;
  /** What the log said. */
  findings: Finding[];
  /** The certificate of the authority, PEM. */
  ca: string;
  hostName: string;
  tlsPort: number;
  plainPort: number;
  webSocketPort: number;
  /** Leads a client that insists on port 443 to the WebSocket port. */
  webSocketAgent: Agent;
  /** For azure-iothub, with the policy `iothubowner`. */
  service: string;
  /** For @azure/event-hubs over TLS, plain TCP, or a WebSocket. */
  eventHub(port: 'tls' | 'plain' | 'webSocket'): string;
  /** For azure-iot-device. */
  device(deviceId: string): string;
  /** A token of the policy `iothubowner`. */
  policyToken(resource: string, dialect?: 'iothub' | 'eventhub'): string;
  /** A token of a device. */
  deviceToken(deviceId: string, validMs?: number): string;
  /** A raw peer on the plain port; `open` is already sent. */
  connect(options?: Partial<ConnectionOptions> & Record<string, unknown>): Connection;
  /** Runs before the hub stops, newest first: for clients that want to say goodbye. */
  beforeStop(callback: () => unknown): void;
  /** Appends events as a device. */
  appendEvents(deviceId: string, bodies: readonly (string | Buffer)[]): Promise<void>;
};

const hourMs = 3_600_000;

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function portAgent(port: number, ca: string): Agent {
  class PortAgent extends Agent {
    override createConnection(...[options]: Parameters<Agent['createConnection']>) {
      return connect({ ...options, host: '127.0.0.1', port, ca, servername: 'localhost' } as ConnectOptions);
    }
  }
  return new PortAgent();
}

/** Opens a hub with the device `dev`, without throttles unless `options` say otherwise. */
export async function openRig(t: TestContext, options: RigOptions = {}): Promise<Rig> {
  const clock = createManualClock(Date.now());
  const store = openStore({ dataDir: undefined });
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const authority = await issueCertificate({
    commonName: 'Test CA',
    kind: 'authority',
    validDays: 1,
    nowMs: clock.now(),
  });
  const names = ['localhost', '127.0.0.1'];
  const { certPem: cert, keyPem: key } = await issueCertificate({
    commonName: 'localhost',
    kind: 'server',
    validDays: 1,
    names,
    issuer: authority,
    nowMs: clock.now(),
  });
  setDefaultCACertificates([...getCACertificates('default'), authority.certPem]);
  const engine = await createEngine({
    store,
    clock,
    log,
    settings: { hostName: 'localhost', throttles: 'off', ...options.engine },
  });
  const frontEnd = createAmqpFrontEnd({
    engine,
    log,
    clock,
    eventHubName,
    consumerGroups: options.consumerGroups ?? [],
    ...(options.amqp && { settings: options.amqp }),
  });
  const secure = { cert, key, requestCert: true, rejectUnauthorized: false, noDelay: true };
  const tlsServer = createTlsServer(secure, (socket) => {
    const { raw } = socket.getPeerCertificate();
    frontEnd.accept(socket, {
      remote: 'tls',
      websocket: false,
      ...(raw && { clientCertificate: { der: raw, chain: [] } }),
    });
  });
  const plainServer = createServer({ noDelay: true }, (socket) =>
    frontEnd.accept(socket, { remote: 'plain', websocket: false }),
  );
  const httpsServer = createHttpsServer(secure);
  new WebSocketServer({ server: httpsServer, handleProtocols: () => 'AMQPWSB10' }).on(
    'connection',
    (socket) => {
      frontEnd.accept(createWebSocketStream(socket), { remote: 'websocket', websocket: true });
    },
  );
  const [tlsPort, plainPort, webSocketPort] = [
    await listen(t, tlsServer),
    await listen(t, plainServer),
    await listen(t, httpsServer),
  ];
  await engine.registry.create({ deviceId: 'dev' });

  const ports = { tls: tlsPort, plain: plainPort, webSocket: webSocketPort };
  const hostName = `localhost:${tlsPort}`;
  const policy = engine.policies.get('iothubowner')!;
  const peers = new Set<Connection>();
  const goodbyes: (() => unknown)[] = [];
  t.after(async () => {
    for (const goodbye of goodbyes.reverse()) await goodbye();
    for (const peer of peers) peer.close();
    const closed = frontEnd.close();
    await nextTurn();
    clock.advance(60_000);
    await closed;
    await engine.stop();
    await store.close();
  });

  const deviceKey = (deviceId: string) =>
    engine.registry.require(deviceId).authentication.symmetricKey.primaryKey ?? '';

  return {
    engine,
    frontEnd,
    clock,
    findings,
    ca: authority.certPem,
    hostName,
    tlsPort,
    plainPort,
    webSocketPort,
    webSocketAgent: portAgent(webSocketPort, authority.certPem),
    service: `HostName=${hostName};SharedAccessKeyName=iothubowner;SharedAccessKey=${policy.primaryKey}`,
    eventHub: (port) =>
      `Endpoint=sb://localhost:${ports[port]};SharedAccessKeyName=iothubowner;SharedAccessKey=${policy.primaryKey};EntityPath=${eventHubName}${port === 'plain' ? ';UseDevelopmentEmulator=true' : ''}`,
    device: (deviceId) => `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${deviceKey(deviceId)}`,
    policyToken: (resource, dialect = 'iothub') =>
      signSas({
        resource,
        key: policy.primaryKey,
        policyName: policy.name,
        dialect,
        expiresAtMs: clock.now() + hourMs,
      }),
    deviceToken: (deviceId, validMs = hourMs) =>
      signSas({
        resource: `${hostName}/devices/${deviceId}`,
        key: deviceKey(deviceId),
        expiresAtMs: clock.now() + validMs,
      }),
    connect(extra = {}) {
      const peer = rhea.create_container().connect({
        host: '127.0.0.1',
        port: plainPort,
        username: 'anonymous',
        reconnect: false,
        ...extra,
        ...({ tcp_no_delay: true } as object),
      } as ConnectionOptions);
      peers.add(peer);
      // Errors that a test provokes are seen through the events that it listens to.
      for (const event of [
        'error',
        'connection_error',
        'session_error',
        'sender_error',
        'receiver_error',
        'disconnected',
      ])
        peer.on(event, () => {});
      return peer;
    },
    beforeStop: (callback) => void goodbyes.push(callback),
    async appendEvents(deviceId, bodies) {
      const { generationId } = engine.registry.require(deviceId);
      const auth = {
        deviceId,
        generationId,
        authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' },
      } as const;
      await Promise.all(
        bodies.map((body) =>
          engine.telemetry.append({
            deviceId,
            auth,
            message: { body: Buffer.from(body), system: {}, properties: {} },
          }),
        ),
      );
    },
  };
}

/** Resolves with the context of the next event of this name. */
export async function next<T>(emitter: EventEmitter, event: string): Promise<T> {
  const [context] = await once(emitter, event);
  return context as T;
}
