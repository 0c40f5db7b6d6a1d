/**
 * The MQTT front-end of the hub: takes connections from the listener, reads packets from each as fast as they can be handled,
 * and watches over silent ones with a single timer for all.
 */
import type { Duplex } from 'node:stream';
import type { Log } from '../diagnostics.ts';
import type { Provisioning } from '../dps/provisioning.ts';
import type { Clock, Timer } from '../engine/clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { Documents } from '../store/store.ts';
import { createAcknowledgements } from './acknowledgements.ts';
import { closeForEngine } from './close-reasons.ts';
import { type Connection, type ConnectionInfo, type Context, endConnection, refuse } from './connection.ts';
import { createDecoder } from './decode.ts';
import { dispatch } from './dispatch.ts';
import { createFraming } from './framing.ts';
import { createSessions } from './sessions.ts';
import { defaultMqttSettings, type MqttSettings } from './settings.ts';

export type MqttFrontEndOptions = {
  engine: Engine;
  provisioning: Provisioning;
  /** Where persistent sessions are kept. */
  documents: Documents;
  log: Log;
  clock: Clock;
  settings?: Partial<MqttSettings>;
};

export type MqttFrontEnd = {
  /** Takes over a connection: TLS, or a WebSocket as a stream. */
  accept(stream: Duplex, info: ConnectionInfo): void;
  /** Closes all connections. Resolves when they are gone and their wills are published. */
  close(): Promise<void>;
  readonly connectionCount: number;
};

const sweepIntervalMs = 1_000;

/** Creates the front-end. It reads the persistent sessions at once. */
export function createMqttFrontEnd(options: MqttFrontEndOptions): MqttFrontEnd {
  const { engine, provisioning, documents, log, clock } = options;
  const settings = { ...defaultMqttSettings, ...options.settings };
  const context: Context = {
    engine,
    provisioning,
    log,
    clock,
    settings,
    sessions: createSessions(documents),
    afterwards: new Set(),
  };
  const connections = new Set<Connection>();
  const { decode } = createDecoder();
  let timer: Timer | undefined;
  let closing: (() => void) | undefined;

  const stopWatchingRegistry = engine.registry.onChange(({ kind, device }) => {
    if (kind === 'deleted') void context.sessions.remove(device.deviceId).catch(() => {});
  });

  /** Whether the client must wait, because what it sent or what it should read has piled up. */
  function isOverloaded({ acknowledgements, stream }: Connection): boolean {
    return (
      acknowledgements.bytes > settings.maxUnsettledBytes ||
      acknowledgements.count > settings.maxUnsettledCount ||
      stream.writableLength > settings.maxUnsentBytes
    );
  }

  function mayHandle(connection: Connection): boolean {
    const { kind } = connection.phase;
    return kind !== 'connecting' && kind !== 'closed' && !connection.held && !isOverloaded(connection);
  }

  /** Holds a connection up for as long as an injected fault says; true when it does. */
  function isDelayed(connection: Connection, packet: Buffer): boolean {
    const { phase } = connection;
    const isPublish = (packet[0] as number) >> 4 === 3;
    if (phase.kind !== 'device' || !isPublish) return false;
    const fault = engine.faults.take('delay', phase.session.deviceId, phase.session.protocol);
    if (fault === undefined) return false;
    connection.held = true;
    clock.setTimeout(() => {
      connection.held = false;
      if (connection.phase.kind === 'closed') return;
      handle(connection, packet);
      pump(connection);
    }, fault.delayMs ?? 0);
    return true;
  }

  function handle(connection: Connection, packet: Buffer): void {
    const connecting = dispatch(connection, decode(packet));
    if (connecting !== undefined) void connecting.then(() => pump(connection));
  }

  /** Handles the packets that have arrived, until one must wait. */
  function pump(connection: Connection): void {
    const { framing, stream } = connection;
    while (mayHandle(connection)) {
      const packet = framing.next();
      if (packet === undefined) break;
      if (packet === 'too-large') {
        refuse(connection, 'a packet exceeds the largest IoT Hub message', 'Telemetry may have 256 KiB');
      } else if (packet === 'malformed-length') {
        refuse(connection, 'the length of a packet is malformed [MQTT-2.2.3]');
      } else {
        connection.lastReceivedMs = clock.now();
        if (!isDelayed(connection, packet)) handle(connection, packet);
      }
    }
    if (connection.phase.kind === 'closed' || mayHandle(connection)) stream.resume();
    // While the engine decides about a CONNECT, reading goes on a little, so that a client that leaves is noticed.
    else if (connection.phase.kind !== 'connecting' || framing.buffered > settings.maxPacketBytes)
      stream.pause();
  }

  function onDrain(connection: Connection): void {
    if (connection.phase.kind === 'device') connection.phase.deliveries?.resume();
    pump(connection);
  }

  function onClose(connection: Connection): void {
    endConnection(connection, { how: 'abort' });
    connections.delete(connection);
    if (connections.size === 0) closing?.();
  }

  /** Ends what has been silent or has been leaving for too long. */
  function sweep(): void {
    const nowMs = clock.now();
    for (const connection of connections) {
      const { phase, lastReceivedMs, stream } = connection;
      const silentMs = nowMs - lastReceivedMs;
      if (phase.kind === 'closed') {
        if (silentMs > settings.handshakeTimeoutMs) stream.destroy();
      } else if (phase.kind === 'opened') {
        if (silentMs > settings.handshakeTimeoutMs)
          refuse(connection, `${connection.info.remote} sent no CONNECT in time`);
      } else if (
        phase.kind !== 'connecting' &&
        silentMs > connection.maxSilenceMs &&
        !isWaitingForUs(connection)
      ) {
        // [MQTT-3.1.2-24]
        const seconds = Math.round(connection.maxSilenceMs / 1_000);
        refuse(connection, `the client was silent for ${seconds} s, one and a half times its keep-alive`);
      }
    }
    timer = clock.setTimeout(sweep, sweepIntervalMs);
  }

  /** Whether the silence is ours: the client may be sending, but is not read. */
  function isWaitingForUs({ acknowledgements, held }: Connection): boolean {
    return held || acknowledgements.count > 0;
  }

  function accept(stream: Duplex, { remote, websocket, clientCertificate }: ConnectionInfo): void {
    const connection: Connection = {
      context,
      stream,
      info: { remote, websocket },
      framing: createFraming(settings.maxPacketBytes),
      acknowledgements: createAcknowledgements({
        send: (pubacks) => {
          if (connection.phase.kind !== 'closed') stream.write(pubacks);
        },
        onSettled: () => {
          if (stream.isPaused()) pump(connection);
        },
      }),
      phase: { kind: 'opened', clientCertificate },
      lastReceivedMs: clock.now(),
      maxSilenceMs: settings.handshakeTimeoutMs,
      held: false,
    };
    connections.add(connection);
    stream.on('data', (chunk: Buffer) => {
      if (connection.phase.kind === 'closed') return;
      connection.framing.push(chunk);
      pump(connection);
    });
    stream.on('drain', () => onDrain(connection));
    stream.on('close', () => onClose(connection));
    // A reset or a failed write ends in `close`; what was lost is sent again to the next connection.
    stream.on('error', () => stream.destroy());
    if (closing !== undefined) endConnection(connection, { how: 'abort' });
  }

  sweep();
  return {
    accept,
    get connectionCount() {
      return connections.size;
    },
    async close() {
      stopWatchingRegistry();
      if (connections.size > 0) {
        const gone = new Promise<void>((resolve) => {
          closing = resolve;
        });
        for (const connection of connections) closeForEngine(connection, 'shutdown');
        await gone;
      } else closing = () => {};
      if (timer !== undefined) clock.clearTimeout(timer);
      await Promise.all(context.afterwards);
    },
  };
}
