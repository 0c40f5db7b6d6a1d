/**
 * Fault injection: what a test or a curious developer asks to go wrong next. Front-ends consult it at the right points.
 */
import type { LinkProtocol } from './presence.ts';

export type FaultKind =
  | 'drop-acknowledgement'
  | 'delay'
  | 'lose-twin-reply'
  | 'kick'
  | 'cut-link'
  | 'throttle'
  | 'restart';

export type Fault = {
  kind: FaultKind;
  /** Undefined: any device. */
  deviceId?: string | undefined;
  /** Undefined: any protocol. */
  protocol?: LinkProtocol | 'http' | undefined;
  /** How many times it happens; default 1, at most 1,000,000. */
  count?: number | undefined;
  /** For `delay`: how long, at most 600,000 ms; for others: how long to wait before it happens. */
  delayMs?: number | undefined;
};

export type PendingFault = Fault & { id: string; remaining: number };

export type Faults = {
  /** Throws HubError `ArgumentInvalid`. Returns its id. */
  inject(fault: unknown): string;
  list(): PendingFault[];
  /** One, or all without an id. Returns how many were cleared. */
  clear(id?: string): number;
  /** The fault that shall happen now, counted down; undefined (and quick) when there is none. */
  take(kind: FaultKind, deviceId?: string, protocol?: LinkProtocol | 'http'): Fault | undefined;
  /** Calls back after each injection: for the faults that the hub itself starts (`kick`, `cut-link`, `restart`). */
  onInject(listener: (fault: PendingFault) => void): () => void;
};
