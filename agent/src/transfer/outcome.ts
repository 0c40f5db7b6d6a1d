/** How a transfer ends, and how far it has come, as plain values. */
import type { Manifest } from '@iotdh/proto/update/v1';
import type { CarrierTally, OriginTally } from './notes.ts';

/**
 * Why a transfer fails for good:
 * - `withdrawn`: the backend knows of no such transfer, or no longer;
 * - `refused`: the backend will not send it;
 * - `corrupt`: what arrives does not match its digests, again and again;
 * - `bad_manifest`: the manifest breaks the contract, or names what no object yields;
 * - `unsigned`: the manifest is not what signed metadata vouch for;
 * - `unsupported`: a content comes only by deltas, of whose bases this machine has none;
 * - `undecodable`: every object that should yield a content is as the manifest says, but does not yield it;
 * - `not_accepted`: this machine does not have or is not what the manifest asks for.
 */
export type FailureReason =
  | 'withdrawn'
  | 'refused'
  | 'corrupt'
  | 'bad_manifest'
  | 'unsigned'
  | 'unsupported'
  | 'undecodable'
  | 'not_accepted';
export type Failure = { kind: 'failed'; reason: FailureReason; detail: string };

/** What has arrived stays on disk; running again goes on from there. */
export type Pause =
  | { kind: 'paused'; reason: 'aborted' | 'disk_full' }
  /** `accept` says that this machine may take it later. */
  | { kind: 'paused'; reason: 'not_now'; detail: string };

/** `complete`: every content that the manifest names is in the store, verified and flushed. */
export type TransferOutcome = { kind: 'complete'; manifest: Manifest; tally: Tally } | Pause | Failure;

/** What was carried for a transfer, over all its runs, and what a machine that has nothing would have carried more. Bytes. */
export type Tally = {
  carriedBytes: number;
  savedBytes: number;
  origins: readonly OriginTally[];
  carriers: readonly CarrierTally[];
};

/**
 * Bytes that are verified and durable, of those that have to be carried. `totalBytes` is 0 until the manifest is here, because
 * only it says how many there are.
 */
export type Progress = { receivedBytes: number; totalBytes: number };
