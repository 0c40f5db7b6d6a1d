/**
 * What the server needs of the rest of the agent, as small ports: the machine that it commands, and what is known about
 * the pending update. `machine-port.ts` makes the first of the runner; the composition passes the second.
 */
import type { Changed, Cursor, StartOver } from '../machine/changes.ts';
import type { HostEvent } from '../machine/event.ts';
import type { StateChange } from '../machine/journal.ts';
import type { Alongside, Answer } from '../machine/machine.ts';
import type { Unavailable } from '../machine/runner.ts';
import type { State } from '../machine/table.ts';
import type { Decision, Update } from '../machine/update.ts';

/** What the host application may raise; `boot_fwupd` is not its to raise. */
export type HostCommand = Exclude<HostEvent, { type: 'boot_fwupd' }>;

/** Where the agent stands, in one consistent reading. */
export type Standing = {
  state: State;
  update: Update | null;
  /** The last answer that postponed or declined; it counts only for the manifest that it names. */
  decision: Decision | null;
  cursor: Cursor;
};

export type AgentMachine = {
  standing(): Standing;
  /** The sequence of the oldest move that is still kept; one more than the last when none is. */
  oldestSequence(): number;
  /** At most `limit` kept moves after `sequence`, oldest first. */
  movesAfter(sequence: number, limit: number): StateChange[];
  /** Every move after the cursor, as it happens, until `signal` aborts. Never a gap: `start_over` instead. */
  moves(cursor: Cursor, signal: AbortSignal): AsyncGenerator<Changed | StartOver, void, undefined>;
  /** Answered once what follows, and what is written alongside, is durable. Considered in the order of the calls. */
  submit(command: HostCommand, alongside?: Alongside): Promise<Answer | Unavailable>;
  /** What the check said that has just failed, or null. Asked right after an `integrity_fault`. */
  fault(): string | null;
};

/** What a person can read about an update before confirming it; texts are as long as the contract allows at most. */
export type UpdateText = {
  name: string;
  /** Empty while the manifest has not been received. */
  title: string;
  summary: string;
  /** Titles of the components in the order in which they are applied. */
  changes: readonly string[];
  expectedDurationMs: number | null;
  restartsMachine: boolean;
};

/** Bytes that are verified and durable. `totalBytes` is 0 while the manifest itself is in transit. */
export type Progress = { receivedBytes: number; totalBytes: number };

/** What the other subsystems know about the update that is pending. */
export type UpdateView = {
  describe(update: Update): UpdateText;
  progress(update: Update): Progress;
  /** Calls `listener` whenever `progress` answers something new. Returns what ends that. */
  onProgress(listener: () => void): () => void;
};
