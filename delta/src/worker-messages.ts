/** What the producer and its workers tell each other. */
import type { EncodedSegment } from './encode-segment.ts';
import type { IndexShape } from './match/block-index.ts';
import type { Job } from './window-task.ts';

export type Request =
  /** Fills the table, which is shared. */
  | { id: number; kind: 'index'; base: Uint8Array; table: Int32Array; shape: IndexShape }
  /** What the next windows are encoded with. */
  | { id: number; kind: 'job'; job: Job }
  | { id: number; kind: 'window'; output: Uint8Array; position: number };

/** `segments` answers a window. */
export type Reply = { id: number; segments?: EncodedSegment[]; error?: unknown };
