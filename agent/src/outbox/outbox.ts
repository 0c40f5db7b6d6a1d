/**
 * What the device has to tell the cloud, kept until the hub has it. A message that is put here is on disk before its promise
 * resolves and is removed only after the hub's PUBACK, so a crash loses nothing and doubles only under the same message id.
 */
import type { DeviceToCloud } from '@iotdh/proto/bus/v1';

export type Payload = Extract<DeviceToCloud['payload'], { case: string }>;
export type Kind = Payload['case'];

/** A message as it travels: `body` is an encoded DeviceToCloud that carries the same sequence and message id. */
export type Outgoing = { sequence: number; messageId: string; kind: Kind; body: Uint8Array };

/**
 * What became of a message:
 * - `kept`: it is on disk under this sequence;
 * - `dropped`: measurements or lines of logs for which there was no room; the next of their kind says how many were lost;
 * - `full`: no room, and nothing left that may be dropped. Try again when some of it was sent;
 * - `disk_full`: the disk has no room. Nothing has changed; try again later;
 * - `too_large`: longer than the contract allows (252 KiB). Trying again is of no use.
 */
export type PutOutcome =
  | { kind: 'kept'; sequence: number; messageId: string }
  | { kind: 'dropped' }
  | { kind: 'full' }
  | { kind: 'disk_full' }
  | { kind: 'too_large'; bytes: number };

/** What became of a message that is not kept: numbered, ready to be sent once. */
export type StampOutcome = { kind: 'stamped'; message: Outgoing } | Exclude<PutOutcome, { kind: 'kept' }>;

/** How much was lost because there was no room, and is still to be told. */
export type Losses = { logLines: number; measurements: number };

export type Outbox = {
  /** Names the sequence: a new one only when the database is new. */
  readonly journalId: string;
  /** Messages that wait or are on their way. */
  readonly count: number;
  /** Their bytes. */
  readonly bytes: number;
  readonly losses: Losses;
  /** Resolves when it is decided and durable. Puts of one turn share one write. Throws after `close`, or when the disk is broken. */
  put(payload: Payload, options?: { traceParent?: string }): Promise<PutOutcome>;
  /** Numbers a message that is worthless unless it is sent now, such as a request for frames. It is not kept. */
  stamp(payload: Payload, options?: { traceParent?: string }): StampOutcome;
  /**
   * The next messages, which count as on their way until `sent` or `unsent`. States and results come before measurements and
   * logs, so that a backlog of those does not hold them up; each class in the order of its sequence.
   */
  take(maxCount: number): Outgoing[];
  /** The hub has acknowledged it. Its removal is written with the next write, at the latest after a quarter of a second. */
  sent(sequence: number): void;
  /** It has not arrived, or nobody knows: `take` gives it again. Without a sequence: all that is on its way. */
  unsent(sequence?: number): void;
  /** Calls back after each write that added messages. Returns what ends that. */
  onKept(listener: () => void): () => void;
  /** Writes what is pending. Idempotent. */
  close(): Promise<void>;
};
