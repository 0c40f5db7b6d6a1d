/**
 * One connected device, as presence keeps it. A class because there is one for each connection: its methods are shared, so
 * that an idle connection costs its fields and nothing more.
 */
import type { DeviceAuth } from './authentication.ts';
import type { CloseReason, Link, LinkProtocol, MethodHandler, Session } from './session.ts';

/** What a session tells of itself. */
export type SessionOwner = {
  now(): number;
  /** The session has ended. */
  left(session: LiveSession): void;
  /** Nothing is left for a newer link to kick. */
  vacated(deviceId: string): void;
  methodsChanged(deviceId: string): void;
  expiresAt(atMs: number | undefined): void;
};

export class LiveSession implements Session {
  readonly id: number;
  readonly deviceId: string;
  readonly protocol: LinkProtocol;
  readonly connectedMs: number;
  lastActivityMs: number;
  auth: DeviceAuth;
  ended: boolean;
  methodHandler: MethodHandler | undefined = undefined;
  readonly #link: Link;
  readonly #owner: SessionOwner;

  constructor(owner: SessionOwner, id: number, auth: DeviceAuth, link: Link, ended: boolean) {
    this.id = id;
    this.deviceId = auth.deviceId;
    this.protocol = link.protocol;
    this.connectedMs = owner.now();
    this.lastActivityMs = this.connectedMs;
    this.auth = auth;
    this.ended = ended;
    this.#link = link;
    this.#owner = owner;
  }

  onMethod(handler: MethodHandler | undefined): void {
    if (this.ended) return;
    this.methodHandler = handler;
    this.#owner.methodsChanged(this.deviceId);
  }

  end(): void {
    if (this.ended) return;
    this.#finish();
    this.#owner.vacated(this.deviceId);
  }

  /** Ends the session and its link. `successor` is set when a newer link takes its place. */
  endWith(reason: CloseReason, successor = false): void {
    if (this.ended) return;
    if (successor) this.#finish();
    else this.end();
    this.#link.close(reason);
  }

  touch(): void {
    this.lastActivityMs = this.#owner.now();
  }

  renew(auth: DeviceAuth): void {
    this.auth = auth;
    if (!this.ended) this.#owner.expiresAt(auth.expiresAtMs);
  }

  #finish(): void {
    this.ended = true;
    this.methodHandler = undefined;
    this.#owner.left(this);
  }
}
