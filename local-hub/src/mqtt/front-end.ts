/**
 * The MQTT front-end of the hub: takes connections from the listener, and ends them.
 */
import type { Duplex } from 'node:stream';
import type { Log } from '../diagnostics.ts';
import type { Provisioning } from '../dps/provisioning.ts';
import type { Clock, Timer } from '../engine/clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { Documents } from '../store/store.ts';
import { createAcknowledgements } from './acknowledgements.ts';
import { closeForEngine } from './close-reasons.ts';
import { type Connection, type ConnectionInfo, type Context, endConnection } from './connection.ts';
import { createFraming } from './framing.ts';
import { createReading } from './reading.ts';
import { openSessions } from './sessions.ts';
import { defaultMqttSettings, type MqttSettings } from './settings.ts';
import { endSilent } from './silence.ts';

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
  /** Ends all connections. Resolves when they are gone and their wills are published. */
  close(): Promise<void>;
  readonly connectionCount: number;
};

const sweepIntervalMs = 1_000;

/** Destroys a stream as soon as what was written to it has left. */
function destroySoon(stream: Duplex): void {
  if (stream.writableFinished) stream.destroy();
  else stream.once('finish', () => stream.destroy());
}

/** Creates the front-end over the persistent sessions that are stored. */
export function createMqttFrontEnd(options: MqttFrontEndOptions): MqttFrontEnd {
  const { engine, provisioning, log, clock } = options;
  const settings = { ...defaultMqttSettings, ...options.settings };
  const sessions = openSessions(options.documents);
  const context: Context = { engine, provisioning, log, clock, settings, sessions, afterwards: new Set() };
  const reading = createReading({ settings, clock, faults: engine.faults });
  const connections = new Set<Connection>();
  let onEmpty: (() => void) | undefined;
  let timer: Timer;

  function sweep(): void {
    endSilent(connections, clock.now(), settings);
    timer = clock.setTimeout(sweep, sweepIntervalMs);
  }

  engine.registry.onRemove((deviceId) => sessions.remove(deviceId));

  function open(stream: Duplex, { remote, websocket, clientCertificate }: ConnectionInfo): Connection {
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
          if (stream.isPaused()) reading.resume(connection);
        },
      }),
      phase: { kind: 'opened', clientCertificate },
      lastReceivedMs: clock.now(),
      maxSilenceMs: settings.maxKeepAliveMs,
      held: false,
    };
    return connection;
  }

  function onDrain(connection: Connection): void {
    if (connection.phase.kind === 'device') connection.phase.deliveries?.resume();
    reading.resume(connection);
  }

  function onClose(connection: Connection): void {
    endConnection(connection, { how: 'abort' });
    connections.delete(connection);
    if (connections.size === 0) onEmpty?.();
  }

  sweep();
  return {
    accept(stream, info) {
      const connection = open(stream, info);
      connections.add(connection);
      stream.on('data', (chunk: Buffer) => reading.take(connection, chunk));
      stream.on('drain', () => onDrain(connection));
      // A client that sends no more has left, even if it would still read.
      stream.on('end', () => endConnection(connection, { how: 'flush' }));
      stream.on('close', () => onClose(connection));
      // A reset or a failed write is followed by `close`; what was lost is sent again on the next connection.
      stream.on('error', () => stream.destroy());
      if (onEmpty !== undefined) stream.destroy();
      else stream.resume();
    },

    get connectionCount() {
      return connections.size;
    },

    async close() {
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve;
      });
      for (const connection of connections) {
        closeForEngine(connection, 'shutdown');
        destroySoon(connection.stream);
      }
      if (connections.size > 0) await empty;
      clock.clearTimeout(timer);
      await Promise.all(context.afterwards);
    },
  };
}
