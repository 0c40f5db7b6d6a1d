/**
 * What a transfer remembers of itself over restarts: which objects were of no use, so that none is tried twice; how each content
 * came; what each carrier brought.
 */
import { DatabaseSync } from 'node:sqlite';
import type { CarrierKind } from './carriers/carrier.ts';

/** How contents came: from this disk, by a delta, by chunks, or whole. */
export type Origin = 'local' | 'delta' | 'chunks' | 'whole';

/** `contents`, `contentBytes`: what came of use; `carriedBytes`: all that was carried for it, in vain too. */
export type OriginTally = { origin: Origin; contents: number; contentBytes: number; carriedBytes: number };
export type CarrierTally = { carrier: CarrierKind; bytes: number };

export type Notes = {
  /** Why an object is of no use; undefined: it was not tried, or not in vain. */
  unusable(object: string): string | undefined;
  /** Durable when it returns. */
  markUnusable(object: string, reason: string): void;
  /** Each content or object once, by its digest. False: it was noted before, and nothing changes. */
  brought(digest: string, tally: OriginTally): boolean;
  carried(carrier: CarrierKind, bytes: number): void;
  /** Signed metadata that were carried, each once, by their digest: they are no contents and come in no form. */
  vouched(digest: string, bytes: number): void;
  vouchedBytes(): number;
  origins(): OriginTally[];
  carriers(): CarrierTally[];
  close(): void;
};

export function openNotes(path: string): Notes {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS unusable (object TEXT PRIMARY KEY, reason TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS brought (
      digest TEXT PRIMARY KEY, origin TEXT NOT NULL, contents INTEGER NOT NULL, content_bytes INTEGER NOT NULL,
      carried_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS carried (carrier TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS vouched (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT`);
  const reasonOf = database.prepare('SELECT reason FROM unusable WHERE object = ?');
  const mark = database.prepare('INSERT OR IGNORE INTO unusable VALUES (?, ?)');
  const bring = database.prepare('INSERT OR IGNORE INTO brought VALUES (?, ?, ?, ?, ?)');
  const carry = database.prepare(
    'INSERT INTO carried VALUES (?, ?) ON CONFLICT (carrier) DO UPDATE SET bytes = bytes + excluded.bytes',
  );
  const vouch = database.prepare('INSERT OR IGNORE INTO vouched VALUES (?, ?)');
  const vouched = database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM vouched');
  const origins = database.prepare(
    `SELECT origin, sum(contents) AS contents, sum(content_bytes) AS contentBytes, sum(carried_bytes) AS carriedBytes
     FROM brought GROUP BY origin ORDER BY origin`,
  );
  const carriers = database.prepare('SELECT carrier, bytes FROM carried ORDER BY carrier');
  return {
    unusable: (object) => (reasonOf.get(object) as { reason: string } | undefined)?.reason,
    markUnusable(object, reason) {
      // An object that is tried again after a power cut could be tried for ever.
      database.exec('PRAGMA synchronous = FULL');
      mark.run(object, reason);
      database.exec('PRAGMA synchronous = NORMAL');
    },
    brought(digest, { origin, contents, contentBytes, carriedBytes }) {
      return bring.run(digest, origin, contents, contentBytes, carriedBytes).changes === 1;
    },
    carried: (carrier, bytes) => void carry.run(carrier, bytes),
    vouched: (digest, bytes) => void vouch.run(digest, bytes),
    vouchedBytes: () => (vouched.get() as { bytes: number }).bytes,
    origins: () => origins.all().map((row) => ({ ...row }) as OriginTally),
    carriers: () => carriers.all().map((row) => ({ ...row }) as CarrierTally),
    close: () => database.close(),
  };
}
