/** How a transfer ends, and how far it has come, as plain values. */
import type { Manifest } from '@iotdh/proto/update/v1';

/**
 * Why a transfer fails for good:
 * - `refused`: the backend will not send it;
 * - `corrupt`: what arrives does not match its digests, again and again;
 * - `bad_manifest`: the manifest breaks the contract, or names what no object yields;
 * - `unsupported`: every object that yields a content is a delta, which this agent does not read;
 * - `undecodable`: an object is as the manifest says, but does not yield its contents;
 * - `not_accepted`: this machine does not have or is not what the manifest asks for.
 */
export type FailureReason =
  | 'refused'
  | 'corrupt'
  | 'bad_manifest'
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
export type TransferOutcome = { kind: 'complete'; manifest: Manifest } | Pause | Failure;

/**
 * Bytes that are verified and durable, of those that have to be carried. `totalBytes` is 0 until the manifest is here, because
 * only it says how many there are.
 */
export type Progress = { receivedBytes: number; totalBytes: number };
