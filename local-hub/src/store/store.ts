/**
 * The durable store as the engine sees it. Writes are queued in call order and committed in that order; a promise resolves
 * only when its write is on disk, and rejects with HubError `StorageUnavailable` when it is not and never will be.
 * Reads are synchronous and see what is committed. Only store/ knows that this is SQLite.
 */

export type DocumentKind =
  | 'identity'
  | 'twin'
  | 'policy'
  | 'mqttSession'
  | 'enrollment'
  | 'enrollmentGroup'
  | 'registration'
  | 'authority'
  | 'upload'
  | 'ledger'
  | 'setting';

/** Small JSON documents, one per kind and id, for state that is kept in memory and loaded at start-up. */
export type Documents = {
  /** All of one kind, by id. Meant for start-up: it reads the table. */
  load<T>(kind: DocumentKind): Iterable<{ id: string; value: T }>;
  /** Writes or replaces. `value` is serialised at once, so it may change afterwards. */
  put(kind: DocumentKind, id: string, value: unknown): Promise<void>;
  /** Removing what does not exist is no error. */
  remove(kind: DocumentKind, id: string): Promise<void>;
};

/** A cloud-to-device message as it lies in the database, without its content. */
export type CommandRow = {
  /** Unique in the hub and rising, never reused. */
  sequence: number;
  deviceId: string;
  generationId: string;
  enqueuedMs: number;
  expiresMs: number;
  /** How often it was abandoned. */
  deliveryCount: number;
  ack: string;
  /** Empty when the sender gave none. */
  messageId: string;
};

/** What a message says: its header as JSON text, and its body. */
export type Content = { header: string; body: Buffer };

/** The cloud-to-device queues of all devices. */
export type Commands = {
  /** All rows without content, by sequence: for start-up. */
  load(): Iterable<CommandRow>;
  /** A sequence for `add`, higher than any before. */
  nextSequence(): number;
  content(sequence: number): Content | undefined;
  add(row: CommandRow, content: Content): Promise<void>;
  remove(sequence: number): Promise<void>;
  setDeliveryCount(sequence: number, deliveryCount: number): Promise<void>;
};

export type FeedName = 'feedback' | 'fileNotifications';

/** An item of a feed, without its body. */
export type FeedRow = {
  /** Unique in the hub and rising, never reused. */
  sequence: number;
  feed: FeedName;
  enqueuedMs: number;
  expiresMs: number;
  deliveryCount: number;
};

/** Messages for services: feedback and file notifications. */
export type Feeds = {
  load(feed: FeedName): Iterable<FeedRow>;
  /** A sequence for `add`, higher than any before. */
  nextSequence(): number;
  body(sequence: number): Buffer | undefined;
  add(row: FeedRow, body: Buffer): Promise<void>;
  remove(sequence: number): Promise<void>;
  setDeliveryCount(sequence: number, deliveryCount: number): Promise<void>;
};

/** Feedback records that wait for their batch. */
export type FeedbackRecords = {
  load(): Iterable<{ sequence: number; record: string }>;
  add(sequence: number, record: string): Promise<void>;
  /** Removes all up to and including `sequence`. */
  removeThrough(sequence: number): Promise<void>;
};

/** An event as it lies in a partition's log. `sequence` and `offset` rise, `enqueuedMs` never falls. */
export type EventRow = {
  sequence: number;
  /** Bytes of the log before this event. */
  offset: number;
  enqueuedMs: number;
  deviceId: string;
  /** Everything but the body, as JSON text. */
  header: string;
  body: Buffer;
};

/** Where a log stands: of its last event, or of the last that retention removed. Sequence and offset are -1 before the first. */
export type LogPosition = { sequence: number; offset: number; enqueuedMs: number };

/** One append-only log per partition. */
export type Events = {
  /** Fixed when the store is first made. */
  readonly partitionCount: number;
  append(partition: number, row: EventRow): Promise<void>;
  /** Rows from `fromSequence` on, as many as fit in both limits, but at least one if there is one. */
  read(partition: number, fromSequence: number, limit: { maxCount: number; maxBytes: number }): EventRow[];
  /** The first event at or after `fromSequence`, without content. */
  positionFrom(partition: number, fromSequence: number): LogPosition | undefined;
  /** The last event, without content. */
  lastPosition(partition: number): LogPosition | undefined;
  /** What `trim` removed last. */
  trimmedThrough(partition: number): LogPosition | undefined;
  /** Removes every event up to and including `position`. */
  trim(partition: number, position: LogPosition): Promise<void>;
};

export type Store = {
  documents: Documents;
  commands: Commands;
  feeds: Feeds;
  feedbackRecords: FeedbackRecords;
  events: Events;
  /**
   * Commits everything that `fn` queues (synchronously) in one transaction: all of it or nothing. Every write in it
   * resolves or rejects together. Calls may be nested; the outermost counts.
   */
  atomically<T>(fn: () => T): T;
  /** Resolves when everything that was queued before is committed or rejected. */
  flushed(): Promise<void>;
  /** Commits what is queued and closes the files. Later writes reject. */
  close(): Promise<void>;
};
