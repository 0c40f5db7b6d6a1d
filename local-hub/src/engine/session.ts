/** A device's connection as the engine knows it, whatever protocol it speaks. */
import type { DeviceAuth } from './authentication.ts';

export type LinkProtocol = 'mqtt' | 'mqtt-ws' | 'amqp' | 'amqp-ws';
export type CloseReason = 'kicked' | 'deleted' | 'disabled' | 'expired' | 'fault' | 'shutdown';

/** A device's connection, as a front-end offers it. */
export type Link = {
  protocol: LinkProtocol;
  /** Address and port of the peer, for the log. */
  remote: string;
  /** Ends the connection. Called at most once; the front-end may call `session.end()` afterwards, but need not. */
  close(reason: CloseReason): void;
  /** Whether the peer is still there; asked after a wait, so that a dead link does not kick a live one. */
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
