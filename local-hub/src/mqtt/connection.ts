/**
 * One client's connection: what is known of it, how to write to it, and how it ends. Whatever a client does wrong closes its own
 * connection with one line in the log [MQTT-4.8.0-1] and touches no other.
 */
import type { Duplex } from 'node:stream';
import { type Packet, writeToStream } from 'mqtt-packet';
import type { Finding, Log } from '../diagnostics.ts';
import type { Provisioning } from '../dps/provisioning.ts';
import type { Clock } from '../engine/clock.ts';
import type { Engine } from '../engine/engine.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { DevicePeer } from './device-peer.ts';
import type { Framing } from './framing.ts';
import { reasonOf } from './refusals.ts';
import type { RegistrationPeer } from './registration-peer.ts';
import type { Sessions } from './sessions.ts';
import type { MqttSettings } from './settings.ts';

/** What the listener knows of a connection. */
export type ConnectionInfo = {
  /** Address and port of the peer, for the log. */
  remote: string;
  websocket: boolean;
  /** What a TLS client presented, verified or not. */
  clientCertificate?: ClientCertificate | undefined;
};

/** What all connections share. */
export type Context = {
  readonly engine: Engine;
  readonly log: Log;
  readonly clock: Clock;
  readonly settings: MqttSettings;
  readonly sessions: Sessions;
  readonly provisioning: Provisioning;
  /** Writes that outlive their connection (wills), awaited when the front-end closes. */
  readonly afterwards: Set<Promise<void>>;
};

/** `opened` waits for CONNECT, `connecting` for the engine; then it is a device or a registration, until it is closed. */
export type Phase =
  | { readonly kind: 'opened'; readonly clientCertificate: ClientCertificate | undefined }
  | { readonly kind: 'connecting' | 'closed' }
  | DevicePeer
  | RegistrationPeer;

export type Connection = {
  readonly context: Context;
  readonly stream: Duplex;
  readonly info: Omit<ConnectionInfo, 'clientCertificate'>;
  readonly framing: Framing;
  readonly acknowledgements: Acknowledgements;
  phase: Phase;
  /** When the last packet came, or when the connection opened or closed; ms. */
  lastReceivedMs: number;
  /** How long the client may be silent, ms. */
  maxSilenceMs: number;
  /** True while a fault holds up what this client sent. */
  held: boolean;
};

const closed: Phase = { kind: 'closed' };

// Otherwise the codec keeps 65,536 buffers, one for each packet identifier: 7 MB to save an allocation of two bytes.
writeToStream.cacheNumbers = false;

/** Writes a packet. Nothing is written to a connection that is closed. */
export function send(connection: Connection, packet: Packet): void {
  if (connection.phase.kind !== 'closed') writeToStream(packet, connection.stream);
}

/** Who is meant in the log. */
function deviceIdOf(phase: Phase): string | undefined {
  return phase.kind === 'device' ? phase.session.deviceId : undefined;
}

export type Ending = {
  /** `flush` lets the client read what was written before; `abort` drops it. */
  how: 'flush' | 'abort';
  /** What the log says; the device id is added. */
  finding?: Omit<Finding, 'what'> & { what?: string };
};

/** Ends a connection. Idempotent: only the first ending counts and is logged. */
export function endConnection(connection: Connection, { how, finding }: Ending): void {
  const { phase, stream, context } = connection;
  if (phase.kind === 'closed') return;
  const deviceId = deviceIdOf(phase);
  if (finding !== undefined)
    context.log.warn({
      what: 'MQTT connection closed',
      ...(deviceId !== undefined && { deviceId }),
      ...finding,
    });
  connection.phase = closed;
  connection.lastReceivedMs = context.clock.now();
  if (phase.kind === 'device') phase.detach();
  if (how === 'abort') stream.destroy();
  else {
    stream.end();
    // Reading goes on, so that the client's own end is noticed.
    stream.resume();
  }
}

/** Ends a connection whose client broke a rule. */
export const refuse = (connection: Connection, reason: string, next?: string): void =>
  endConnection(connection, { how: 'abort', finding: { reason, ...(next !== undefined && { next }) } });

/** Ends a connection over what nobody foresaw: that one only, and never the process. */
export const fail = (connection: Connection, error: unknown): void =>
  endConnection(connection, {
    how: 'abort',
    finding: { reason: `the hub failed: ${reasonOf(error)}`, next: 'This is a bug of the local hub' },
  });

/** Lets the handling of a packet run on its own. */
export function attend(connection: Connection, handling: Promise<void>): void {
  handling.catch((error: unknown) => fail(connection, error));
}
