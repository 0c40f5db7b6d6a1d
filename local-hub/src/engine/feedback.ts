/**
 * Feedback about how cloud-to-device messages ended: records, batched into one message at 64 records or after 15 s
 * (iot-hub-devguide-messages-c2d, "Message feedback").
 */
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { createDeadline } from './deadline.ts';
import type { Feed } from './feed.ts';
import type { Ack } from './message.ts';

export type FeedbackStatus = 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged';

/** One entry of a feedback message, in the words of Azure's JSON. */
export type FeedbackRecord = {
  /** Empty when the message had none. */
  originalMessageId: string;
  /** When the message came to its end, ISO 8601. */
  enqueuedTimeUtc: string;
  statusCode: FeedbackStatus;
  description: string;
  deviceId: string;
  deviceGenerationId: string;
};

export type FeedbackSettings = {
  /** Default 64. */
  maxRecords: number;
  /** The longest that a record waits for others, ms. Default 15 s. */
  maxWaitMs: number;
};

export const defaultFeedbackSettings: FeedbackSettings = { maxRecords: 64, maxWaitMs: 15_000 };

export const statusDescriptions: Record<FeedbackStatus, string> = {
  Success: 'Success',
  Expired: 'Message expired',
  DeliveryCountExceeded: 'Message delivery count exceeded',
  Rejected: 'Message rejected by device',
  Purged: 'Message purged',
};

/** Whether the sender of a message asked to hear of this end. */
export function wantsFeedback(ack: Ack, status: FeedbackStatus): boolean {
  return ack === 'full' || ack === (status === 'Success' ? 'positive' : 'negative');
}

export type FeedbackBatcher = {
  /** Resolves when the record is durable. It reaches the feed with its batch, also after a restart. */
  record(record: FeedbackRecord): Promise<void>;
  stop(): void;
};

export type FeedbackOptions = {
  store: Pick<Store, 'feedbackRecords' | 'atomically'>;
  feed: Pick<Feed, 'publish'>;
  clock: Clock;
  settings?: Partial<FeedbackSettings>;
};

type Waiting = { sequence: number; record: string; sinceMs: number };

/** How long after a failed write the batch is tried again. */
const retryMs = 1_000;

/** Begins with the records that waited when the hub stopped. */
export function createFeedbackBatcher({ store, feed, clock, settings }: FeedbackOptions): FeedbackBatcher {
  const { maxRecords, maxWaitMs } = { ...defaultFeedbackSettings, ...settings };
  /** Durable records, by sequence. */
  const waiting: Waiting[] = [];
  let lastSequence = 0;
  let publishing = false;
  const deadline = createDeadline({ clock, minIntervalMs: 0, run: publishWhenDue });

  function add(sequence: number, record: string): void {
    waiting.push({ sequence, record, sinceMs: clock.now() });
    deadline.by(publishWhenDue());
  }

  /** Publishes a batch that is full or old enough; returns when the next one will be. */
  function publishWhenDue(): number {
    const [oldest] = waiting;
    if (oldest === undefined || publishing) return Number.POSITIVE_INFINITY;
    const dueMs = oldest.sinceMs + maxWaitMs;
    if (waiting.length < maxRecords && clock.now() < dueMs) return dueMs;
    publish(waiting.slice(0, maxRecords));
    return Number.POSITIVE_INFINITY;
  }

  function publish(batch: readonly Waiting[]): void {
    publishing = true;
    const body = Buffer.from(`[${batch.map(({ record }) => record).join(',')}]`);
    const published = store.atomically(() => {
      void store.feedbackRecords.removeThrough(batch.at(-1)?.sequence ?? 0);
      return feed.publish(body);
    });
    published.then(
      () => {
        publishing = false;
        waiting.splice(0, batch.length);
        deadline.by(publishWhenDue());
      },
      () => {
        publishing = false;
        deadline.by(clock.now() + retryMs);
      },
    );
  }

  for (const { sequence, record } of store.feedbackRecords.load()) {
    lastSequence = sequence;
    add(sequence, record);
  }

  return {
    record(record) {
      lastSequence += 1;
      const sequence = lastSequence;
      const text = JSON.stringify(record);
      const written = store.feedbackRecords.add(sequence, text);
      // Only what is durable may be published, because the message that a failed write was about is still alive.
      written.then(
        () => add(sequence, text),
        () => undefined,
      );
      return written;
    },
    stop: deadline.stop,
  };
}
