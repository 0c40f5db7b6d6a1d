/**
 * Who is connected. One link per device: the newest wins, and ids that kick each other in turns are slowed down.
 */
import type { DeviceAuth } from './authentication.ts';

export type LinkProtocol = 'mqtt' | 'mqtt-ws' | 'amqp' | 'amqp-ws';
export type CloseReason = 'kicked' | 'deleted' | 'disabled' | 'expired' | 'fault' | 'shutdown';

/** A device's connection, as a front-end offers it. */
export type Link = {
  protocol: LinkProtocol;
  /** Address and port of the peer, for the log. */
  remote: string;
  /** Ends the connection. Called at most once; the front-end need not call `session.end()` afterwards, but may. */
  close(reason: CloseReason): void;
  /** Whether the peer is still there; asked after a damped wait, so that a dead link does not kick a live one. */
  isOpen?(): boolean;
};

/** A direct method on its way to a device. */
export type MethodCall = {
  requestId: string;
  methodName: string;
  /** JSON text; empty when the caller gave no payload. */
  body: Buffer;
};
export type MethodHandler = (call: MethodCall) => void;

export type Session = {
  readonly id: number;
  readonly deviceId: string;
  readonly auth: DeviceAuth;
  readonly protocol: LinkProtocol;
  /** True once it was closed or ended; a session may come already ended when a newer link overtook it while it waited. */
  readonly ended: boolean;
  /** Sets who receives direct methods; undefined when the device is not subscribed to them. */
  onMethod(handler: MethodHandler | undefined): void;
  readonly methodHandler: MethodHandler | undefined;
  /** The link is gone. Idempotent. */
  end(): void;
  /** Notes activity (for `lastActivityTime`). Cheap: call it with each packet. */
  touch(): void;
  /** A new token on the same connection (AMQP CBS). */
  renew(auth: DeviceAuth): void;
};

export type Presence = {
  /**
   * Registers a link. An older link of the same device is closed with `kicked` before this resolves. Resolves late (up to
   * 10 s) for ids that kick each other. Check `session.ended` after the wait.
   */
  connect(auth: DeviceAuth, link: Link): Promise<Session>;
  session(deviceId: string): Session | undefined;
  isConnected(deviceId: string): boolean;
  count(): number;
  /** Ends a device's connection; false when it has none. */
  close(deviceId: string, reason: CloseReason): boolean;
  closeAll(reason: CloseReason): void;
  /** Calls back when a device connects, disconnects, or changes its method subscription. Returns the way to stop. */
  onChange(listener: (deviceId: string, event: 'connected' | 'disconnected' | 'methods') => void): () => void;
  /** Stops the timers. */
  stop(): void;
};
