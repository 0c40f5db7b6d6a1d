/**
 * The AMQP front-end of the hub: takes connections from the listener, and watches over all of them with one timer.
 */
import type { Duplex } from 'node:stream';
import rhea from 'rhea';
import type { Log } from '../diagnostics.ts';
import type { Clock, Timer } from '../engine/clock.ts';
import type { Engine } from '../engine/engine.ts';
import { type AmqpConnection, type ConnectionInfo, createAmqpConnection, shutdown } from './connection.ts';
import type { HubContext } from './node-context.ts';
import { createPartitionReaders } from './partition-readers.ts';
import { type AmqpSettings, defaultAmqpSettings } from './settings.ts';

export type AmqpFrontEndOptions = {
  engine: Engine;
  log: Log;
  clock: Clock;
  /** The name of the Event Hubs compatible endpoint: EntityPath in its connection string. */
  eventHubName: string;
  /** Consumer groups besides `$Default`, which always exists. */
  consumerGroups?: readonly string[];
  settings?: Partial<AmqpSettings>;
};

export type AmqpFrontEnd = {
  /** Takes over a connection: TLS, plain TCP, or a WebSocket as a stream. */
  accept(stream: Duplex, info: ConnectionInfo): void;
  /** Closes all connections; resolves when they are gone, at the latest after the linger time. */
  close(): Promise<void>;
  readonly connectionCount: number;
};

const sweepIntervalMs = 1_000;

export function createAmqpFrontEnd(options: AmqpFrontEndOptions): AmqpFrontEnd {
  const { engine, log, clock, eventHubName, consumerGroups = [] } = options;
  const settings = { ...defaultAmqpSettings, ...options.settings };
  const hub: HubContext = {
    engine,
    log,
    clock,
    settings,
    eventHubName,
    consumerGroups: new Set(['$default', ...consumerGroups.map((name) => name.toLowerCase())]),
    readers: createPartitionReaders(settings.maxReadersPerPartition),
  };
  const container = rhea.create_container({ id: `iothub-${eventHubName}` });
  // rhea raises here what no connection has handled; throwing it would end the process.
  container.on('error', (error: unknown) => {
    log.warn({ what: 'An AMQP error was not handled', reason: String(error) });
  });
  const connections = new Set<AmqpConnection>();
  let timer: Timer | undefined;
  let closing: (() => void) | undefined;

  function schedule(): void {
    timer ??= clock.setTimeout(sweep, sweepIntervalMs);
  }

  function sweep(): void {
    timer = undefined;
    const nowMs = clock.now();
    for (const connection of connections) connection.sweep(nowMs);
    if (connections.size > 0) schedule();
  }

  function forget(connection: AmqpConnection): void {
    connections.delete(connection);
    if (connections.size === 0) closing?.();
  }

  return {
    accept(stream, info) {
      if (closing !== undefined) {
        stream.destroy();
        return;
      }
      const connection = createAmqpConnection({
        hub,
        container,
        stream,
        info,
        onClosed: () => forget(connection),
      });
      connections.add(connection);
      schedule();
    },
    async close() {
      const gone = new Promise<void>((resolve) => {
        closing = resolve;
      });
      for (const connection of connections) connection.close(shutdown);
      if (connections.size > 0) {
        const cut = clock.setTimeout(() => {
          for (const connection of connections) connection.destroy();
        }, settings.lingerMs);
        await gone;
        clock.clearTimeout(cut);
      }
      if (timer !== undefined) clock.clearTimeout(timer);
    },
    get connectionCount() {
      return connections.size;
    },
  };
}
