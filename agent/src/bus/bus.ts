/** The bus between this device and the cloud, as the rest of the agent sees it: nothing here knows Azure. */
import type { AssignmentPointer, CloudToDevice, DeviceToCloud } from '@iotdh/proto/bus/v1';

/** A way to reach the hub. WebSocket is for networks that let nothing but HTTPS out. */
export const routes = ['mqtt', 'mqtt_ws'] as const;
export type Route = (typeof routes)[number];

/**
 * Why there is no link:
 * - `unreachable`: no connection, or its TLS failed;
 * - `not_authorized`: the hub said so. It may be wrong for a while, so the bus tries on, but a person may have to look;
 * - `timed_out`: the hub did not answer;
 * - `lost`: the connection ended.
 */
export type LinkFault = { reason: 'unreachable' | 'not_authorized' | 'timed_out' | 'lost'; detail: string };

/** The life of the connection. Times in ms since 1970. */
export type Link =
  | { kind: 'idle' }
  | { kind: 'opening'; route: Route; attempt: number }
  | { kind: 'open'; route: Route; sinceMs: number }
  | { kind: 'waiting'; untilMs: number; attempt: number; fault: LinkFault }
  | { kind: 'stopped' };

export type Command = Extract<CloudToDevice['payload'], { case: string }>;

/** A message that was read and is within the contract's limits, with what stands around its payload. */
export type Envelope<K extends Command['case'] = Command['case']> = Pick<
  CloudToDevice,
  'sequence' | 'messageId' | 'time' | 'traceParent'
> & { payload: Extract<Command, { case: K }> };

/** Who handles which kind. One message at a time, in the order of arrival; the next waits for the promise. */
export type Receivers = { [K in Command['case']]?: (message: Envelope<K>) => void | Promise<void> };

/** What the desired twin says is assigned: null when nothing is. */
export type Assignment = AssignmentPointer | null;

/**
 * What became of a message that is sent once or not at all: `sent` when the hub has it; `offline` when there is no link, or it
 * ended meanwhile; `refused` when it cannot be sent, with the reason.
 */
export type AskOutcome = { kind: 'sent' } | { kind: 'offline' } | { kind: 'refused'; reason: string };

export type Bus = {
  readonly link: Link;
  /** Calls back after each change. Returns what ends that. */
  onLink(listener: (link: Link) => void): () => void;
  /** Opens the link and keeps it open, and sends what the outbox holds. Once. */
  start(): void;
  /** Sends a message that is worthless later, such as a request for frames, without keeping it. */
  ask(
    payload: Extract<DeviceToCloud['payload'], { case: string }>,
    options?: { traceParent?: string },
  ): Promise<AskOutcome>;
  /** Says goodbye; resolves within 5 s, whatever the hub does. Idempotent. */
  stop(): Promise<void>;
};
