/** What the façade speaks: plain values, no protobuf messages and no bigint. */

/** The agent's states; `UNKNOWN` is one that a newer agent has and this SDK does not. */
export type AgentState =
  | 'BUSY'
  | 'READY'
  | 'INTRANSIT_PATCH'
  | 'READY_WITHPATCH'
  | 'WAIT_CONFIRM_PATCH'
  | 'APPLYING_PATCH'
  | 'INTRANSIT_BASE'
  | 'READY_WITHBASE'
  | 'WAIT_CONFIRM_BASE'
  | 'APPLYING_BASE'
  | 'UNKNOWN';

/** What moves the agent; `unknown` is an event of a newer agent. */
export type AgentEvent =
  | 'sdk_cmdready'
  | 'sdk_cmdbusy'
  | 'cloud_cmdupgrade'
  | 'transfer_complete'
  | 'prompt_issued'
  | 'sdk_confirmpatch'
  | 'sdk_confirmbase'
  | 'integrity_ok'
  | 'integrity_fault'
  | 'boot_fwupd'
  | 'boot_sys'
  | 'unknown';

/** A place in the sequence of changes. Opaque; store it, and pass it as `after` to go on from there. */
export type Position = string;

/** Bytes of the pending update that are received and verified. `totalBytes` is 0 while it is not known. */
export type Progress = { receivedBytes: number; totalBytes: number };

/** The update that is on its way or waits, in words for the person who confirms it. */
export type PendingUpdate = {
  /** SHA-256 of the manifest in hex: what a confirmation is bound to. */
  manifestDigest: string;
  kind: 'patch' | 'base';
  name: string;
  version: string;
  title: string;
  summary: string;
  /** Titles of the components, in the order in which they are applied. */
  changes: string[];
  /** On a typical machine; null: not known. */
  expectedDurationMs: number | null;
  restartsMachine: boolean;
  postponedUntil: Date | null;
  declined: boolean;
};

export type Activity = 'procedure' | 'preparation' | 'session' | 'service';

/** Why the host application is busy; never with patient data. */
export type BusyReason = { activity?: Activity; text?: string };

/** One hold on BUSY. */
export type Hold = {
  /** Null: no lease, it lasts until `ready`. */
  leaseId: string | null;
  reason: BusyReason;
  since: Date;
  expires: Date | null;
};

/** The agent at one moment. */
export type StateSnapshot = {
  position: Position;
  state: AgentState;
  since: Date;
  progress: Progress | null;
  pendingUpdate: PendingUpdate | null;
  holds: Hold[];
};

/** One move of the agent. */
export type StateChange = {
  position: Position;
  /** Counts the moves from 1, without a gap. */
  sequence: number;
  from: AgentState;
  to: AgentState;
  event: AgentEvent;
  time: Date;
  progress: Progress | null;
  pendingUpdate: PendingUpdate | null;
  /** In words for a person; empty: the event says it all. */
  reason: string;
};

/** Who decides; never a patient. */
export type Person = { id: string; name: string };

/** What a person decided about a pending update. */
export type Decision =
  | { decision: 'confirm'; person: Person }
  | { decision: 'postpone'; person: Person; until: Date }
  | { decision: 'decline'; person: Person; reason?: string };

/** A decision on record. */
export type Consent = {
  id: string;
  manifestDigest: string;
  decision: Decision['decision'];
  person: Person;
  shownText: string;
  time: Date;
};

export type ProductVersion = { product: string; version: string };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** A line of the host application's log; never with patient data. */
export type LogLine = {
  message: string;
  /** The part of the software that wrote it. */
  component: string;
  /** Default `info`. */
  level?: LogLevel;
  /** Default: now. */
  time?: Date;
  attributes?: Record<string, string>;
};

/** How long a call may take. */
export type WaitOptions = {
  /** Ends the wait: the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** In ms; a call that takes longer throws an AgentError `deadline_exceeded`. Default 10 s. */
  timeoutMs?: number;
};
