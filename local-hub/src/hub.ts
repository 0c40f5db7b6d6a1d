/**
 * The composition of a running hub: engine, provisioning, the three front-ends and the ports, put together over an open
 * store.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AmqpFrontEnd } from './amqp/front-end.ts';
import { amqpOnDemand } from './amqp-on-demand.ts';
import type { Certificates } from './certificates.ts';
import { hubHostName } from './connection-strings.ts';
import type { Log } from './diagnostics.ts';
import { createProvisioning, type Provisioning } from './dps/provisioning.ts';
import type { Clock } from './engine/clock.ts';
import { createEngine, type Engine, type EngineSettings } from './engine/engine.ts';
import { clientCertificateOf } from './engine/x509-trust.ts';
import { createHttpFrontEnd, type HttpFrontEnd } from './http/front-end.ts';
import { type Listener, type ListenerOptions, openListener } from './listener.ts';
import { createMqttFrontEnd, type MqttFrontEnd } from './mqtt/front-end.ts';
import type { Store } from './store/store.ts';
import { createWebSockets } from './websocket.ts';

export type HubOptions = {
  store: Store;
  certificates: Certificates;
  clock: Clock;
  log: Log;
  adminToken: string;
  /** The host part of the hub's name. */
  host: string;
  listen: Pick<ListenerOptions, 'ports' | 'amqpPort' | 'address' | 'maxConnections' | 'firstByteMs'>;
  consumerGroups: readonly string[];
  engine: Omit<EngineSettings, 'hostName'>;
  /** Carries out a restart that an admin or a fault asks for. */
  restart(): Promise<void>;
};

export type Hub = {
  /** `localhost:18443`, or without a port when 443 is one of them. */
  hostName: string;
  /** EntityPath of the Event Hubs compatible endpoint. */
  eventHubName: string;
  listener: Listener;
  engine: Engine;
  provisioning: Provisioning;
  /** Says goodbye to everybody and resolves when nothing is left to write. The store stays open. */
  stop(): Promise<void>;
  /** Cuts everybody off without a word, as if the process had been killed. */
  crash(): Promise<void>;
};

/** How long peers may take to leave before they are cut off. */
const farewellMs = 2_000;

function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

/** Unique to the hub, because consumers keep their checkpoints by host and entity, without the port. */
function eventHubNameOf(engine: Engine): string {
  const key = engine.policies.get('iothubowner')?.primaryKey ?? '';
  return `iothub-ehub-local-${createHash('sha256').update(key).digest('hex').slice(0, 10)}`;
}

type FrontEnds = { mqtt: MqttFrontEnd; amqp: AmqpFrontEnd; http: HttpFrontEnd };

/** Starts to serve. Throws the system's error when a port cannot be bound. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { store, certificates, clock, log } = options;
  // Front-ends need the port that the system chooses, so the ports open first; who comes too early may come again.
  let frontEnds: FrontEnds | undefined;
  const info = (socket: Socket, tls: TLSSocket | undefined) => ({
    remote: remoteOf(socket),
    websocket: false,
    clientCertificate: tls && clientCertificateOf(tls),
  });
  const accept = (name: keyof FrontEnds) => (socket: Socket, tls: TLSSocket | undefined) => {
    if (frontEnds === undefined) socket.destroy();
    else frontEnds[name].accept(socket, info(socket, tls));
  };
  const listener = await openListener({
    ...options.listen,
    certPem: certificates.server.certPem,
    keyPem: certificates.server.keyPem,
    accept: { mqtt: accept('mqtt'), amqp: accept('amqp'), http: accept('http') },
    log,
  });

  async function compose() {
    const hostName = hubHostName(options.host, listener.ports);
    const engine = await createEngine({ store, clock, log, settings: { ...options.engine, hostName } });
    const eventHubName = eventHubNameOf(engine);
    const { documents } = store;
    const provisioning = createProvisioning({ engine, documents, clock, log, hostName });
    const webSockets = createWebSockets(log);
    const mqtt = createMqttFrontEnd({ engine, provisioning, documents, log, clock });
    const { consumerGroups } = options;
    const amqp = amqpOnDemand(async () => {
      const { createAmqpFrontEnd } = await import('./amqp/front-end.ts');
      return createAmqpFrontEnd({ engine, log, clock, eventHubName, consumerGroups });
    }, log);
    const http = createHttpFrontEnd({
      engine,
      provisioning,
      log,
      clock,
      hostName,
      adminToken: options.adminToken,
      control: {
        restart: options.restart,
        connectionCounts: () => ({
          mqtt: mqtt.connectionCount,
          amqp: amqp.connectionCount,
          http: http.connectionCount,
        }),
      },
      onUpgrade(request, stream, head, { remote, clientCertificate }) {
        const peer = { remote, clientCertificate, websocket: true };
        webSockets
          .upgrade(request, stream, head, (protocol, bytes) => {
            if (protocol === 'mqtt') mqtt.accept(bytes, peer);
            else amqp.accept(bytes, peer);
          })
          .catch(() => stream.destroy());
      },
    });
    return { hostName, eventHubName, engine, provisioning, mqtt, amqp, http };
  }

  const parts = await compose().catch((error: unknown) => {
    listener.closePorts();
    listener.cut();
    throw error;
  });
  const { hostName, eventHubName, engine, provisioning, mqtt, amqp, http } = parts;
  frontEnds = { mqtt, amqp, http };
  engine.faults.onInject(({ kind, delayMs = 0 }) => {
    if (kind !== 'restart') return;
    clock.setTimeout(() => {
      // It may have been cleared in the meantime.
      if (engine.faults.take('restart')) void options.restart();
    }, delayMs);
  });

  async function closeFrontEnds(): Promise<void> {
    await Promise.all([mqtt.close(), amqp.close(), http.close()]);
  }

  return {
    hostName,
    eventHubName,
    listener,
    engine,
    provisioning,
    async stop() {
      listener.closePorts();
      await engine.stop();
      const timer = clock.setTimeout(() => listener.cut(), farewellMs);
      await closeFrontEnds();
      clock.clearTimeout(timer);
      listener.cut();
      await store.flushed();
    },
    async crash() {
      listener.closePorts();
      listener.cut();
      await Promise.allSettled([engine.stop(), closeFrontEnds()]);
    },
  };
}
