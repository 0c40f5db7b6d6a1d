/** Stores a batch of one partition. It may be repeated after any failure, also by another process: nothing is stored twice. */
import { MongoBulkWriteError } from 'mongodb';
import type { SetAsideDocument } from '../../shared/database/collections.ts';
import type { Database } from '../../shared/database/connect.ts';
import { decide } from './decide.ts';
import type { Incoming } from './incoming.ts';
import { readKnown } from './read-known.ts';
import { type PointStoreOptions, storePoints } from './store-points.ts';
import { changesAnything, writeKnown } from './write-known.ts';
import type { Writes } from './writes.ts';

export type StoreOptions = {
  database: Pick<Database, 'transact' | 'collections'>;
  points: Omit<PointStoreOptions, 'collections'>;
  now: () => number;
  /** A transaction is tried again, because somebody else changed the same. */
  onConflict: () => void;
};

export type Stored = {
  setAside: readonly SetAsideDocument[];
  duplicates: number;
  lostLines: number;
  lostMeasurements: number;
};

const duplicateKey = 11_000;

/** Keeps what cannot be stored otherwise; what has been kept already stays as it is. */
export async function keepAside(
  { collections }: Pick<Database, 'collections'>,
  documents: SetAsideDocument[],
): Promise<void> {
  if (documents.length === 0) return;
  try {
    await collections.setAside.insertMany(documents, { ordered: false });
  } catch (error) {
    const errors = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
    if (errors.length === 0 || errors.some(({ code }) => code !== duplicateKey)) throw error;
  }
}

/** Resolves once everything is durable. Throws when the database does not do its part; then nothing counts as stored. */
export async function storeBatch(options: StoreOptions, batch: readonly Incoming[]): Promise<Stored> {
  const { database, points, now, onConflict } = options;
  const { transact, collections } = database;
  const relevant = batch.filter(({ kind }) => kind !== 'not-ours');
  const time = new Date(now());
  const store = async (session: Parameters<typeof readKnown>[0]): Promise<Writes> => {
    const decided = decide(await readKnown(session, collections, relevant), relevant, time);
    if (changesAnything(decided)) await writeKnown(session, collections, decided, time);
    return decided;
  };
  const writes = await transact(store, { onRetry: onConflict });
  const known = await storePoints({ ...points, collections }, writes.points);
  await keepAside(database, writes.setAside);
  const { setAside, duplicates, lostLines, lostMeasurements } = writes;
  return { setAside, duplicates: duplicates + known, lostLines, lostMeasurements };
}
