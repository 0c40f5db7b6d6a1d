/**
 * Reads packets from connections as fast as they can be handled, and no faster: a client whose messages are not durable yet, or
 * who does not read what it is sent, is not read either.
 */
import type { Clock } from '../engine/clock.ts';
import type { Faults } from '../engine/faults.ts';
import { attend, type Connection, fail, refuse } from './connection.ts';
import { createDecoder } from './decode.ts';
import { dispatch } from './dispatch.ts';
import type { MqttSettings } from './settings.ts';

export type Reading = {
  /** Bytes have arrived. */
  take(connection: Connection, chunk: Buffer): void;
  /** Something that the connection waited for is done. */
  resume(connection: Connection): void;
};

export type ReadingOptions = { settings: MqttSettings; clock: Clock; faults: Faults };

const publishType = 3;

/** Whether what the client sent, or what it should read, has piled up. */
function isOverloaded({ acknowledgements, stream }: Connection, settings: MqttSettings): boolean {
  return (
    acknowledgements.bytes > settings.maxUnsettledBytes ||
    acknowledgements.count > settings.maxUnsettledCount ||
    stream.writableLength > settings.maxUnsentBytes
  );
}

/** Creates what reads all connections of a front-end. */
export function createReading({ settings, clock, faults }: ReadingOptions): Reading {
  const { decode } = createDecoder();

  function mayHandle(connection: Connection): boolean {
    const { kind } = connection.phase;
    return (
      kind !== 'connecting' && kind !== 'closed' && !connection.held && !isOverloaded(connection, settings)
    );
  }

  function handle(connection: Connection, packet: Buffer): void {
    try {
      const connecting = dispatch(connection, decode(packet));
      if (connecting !== undefined)
        attend(
          connection,
          connecting.then(() => resume(connection)),
        );
    } catch (error) {
      fail(connection, error);
    }
  }

  /** Holds a message and all that follows for as long as an injected fault says; true when it does. */
  function isDelayed(connection: Connection, packet: Buffer): boolean {
    const { phase } = connection;
    if (phase.kind !== 'device' || (packet[0] as number) >> 4 !== publishType) return false;
    const fault = faults.take('delay', phase.session.deviceId, phase.session.protocol);
    if (fault === undefined) return false;
    connection.held = true;
    clock.setTimeout(() => {
      connection.held = false;
      if (connection.phase.kind === 'closed') return;
      handle(connection, packet);
      resume(connection);
    }, fault.delayMs ?? 0);
    return true;
  }

  function resume(connection: Connection): void {
    const { framing, stream } = connection;
    while (mayHandle(connection)) {
      const packet = framing.next();
      if (packet === undefined) break;
      if (packet === 'too-large') {
        const limitBytes = settings.maxPacketBytes;
        refuse(connection, `a packet has more than ${limitBytes} bytes`, 'Messages may have 256 KiB');
      } else if (packet === 'malformed-length') {
        refuse(connection, 'the length of a packet is malformed [MQTT-2.2.3]');
      } else {
        connection.lastReceivedMs = clock.now();
        if (!isDelayed(connection, packet)) handle(connection, packet);
      }
    }
    // While the engine decides about a CONNECT, reading goes on a little, so that a client that leaves is noticed.
    const mayRead =
      connection.phase.kind === 'closed' ||
      (connection.phase.kind === 'connecting'
        ? framing.bufferedBytes() <= settings.maxPacketBytes
        : mayHandle(connection));
    if (mayRead) stream.resume();
    else stream.pause();
  }

  return {
    take(connection, chunk) {
      // What a client sends after its connection was ended is read, so that it sees the end, and dropped.
      if (connection.phase.kind === 'closed') return;
      connection.framing.push(chunk);
      resume(connection);
    },
    resume,
  };
}
