/** What all handlers of the API work on. */
import { type ClientSession, MongoServerError } from 'mongodb';
import type { Objects } from '../../shared/blobs.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Database } from '../../shared/database/connect.ts';
import type { Hub } from '../../shared/hub.ts';
import type { Identities } from '../../shared/identities.ts';
import type { HubPolicy } from '../../shared/quota/hub-settings.ts';
import type { QuotaStore } from '../../shared/quota/quota-store.ts';
import type { Repository } from './trust/repository.ts';

export type Fleet = {
  database: Pick<Database, 'transact' | 'collections'>;
  clock: Clock;
  newId(): string;
  identities: Identities;
  hub: Pick<Hub, 'purge' | 'invoke'>;
  objects: Objects;
  /** What there is of a hub, by the settings, and the account of what is used of it. */
  policy: HubPolicy;
  quota: QuotaStore;
  /** What signs packs. */
  repository: Repository;
  /** Tells the streams of events, so that they need not wait to look. */
  onCommit(): void;
};

/** Who asks, and in which trace. */
export type Caller = { operator: string; traceParent: string };

/** Runs `work` in a transaction, and lets the streams of events know once it is committed. */
export async function commit<T>(fleet: Fleet, work: (session: ClientSession) => Promise<T>): Promise<T> {
  const result = await fleet.database.transact(work);
  fleet.onCommit();
  return result;
}

const duplicateKey = 11_000;

/** Whether a unique index was in the way. */
export const isDuplicate = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === duplicateKey;

/** The text as a pattern for itself, whatever characters it has. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
