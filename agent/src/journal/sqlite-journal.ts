/**
 * The journal in SQLite: one file, one writer, every write one transaction that is on disk when it returns
 * (`journal_mode` WAL, `synchronous` FULL, https://sqlite.org/pragma.html#pragma_synchronous). What can wait is written to the
 * log too, in its order, and only not flushed (NORMAL).
 */
import { DatabaseSync } from 'node:sqlite';
import type { Effect } from '../machine/effect.ts';
import type { Entry, Journal, PendingEffect, Written } from '../machine/journal.ts';
import { initialSnapshot } from '../machine/snapshot.ts';
import { type After, createLogEmptier } from './empty-log.ts';
import { isFull, JournalError, sqliteCode } from './journal-error.ts';
import { createTables, schemaVersion, tablesIn } from './tables.ts';
import { verify } from './verify.ts';

export type Limits = {
  /** How many state changes are kept for subscribers. */
  maxChanges: number;
  /** How many answers of people are kept; the cloud keeps them all. */
  maxDecisions: number;
  /** How large the database file may grow. A write beyond it is answered as on a full disk. */
  maxBytes: number;
  /** For the work that waits for a quiet moment. Default: there is none. */
  after?: After | undefined;
};

const pageBytes = 4096;
/** How long the log gets while no moment is quiet, and how large it stays on disk, to be overwritten. */
const maxLogPages = 4000;

/** Durable and exclusive: a second agent is refused, and the index of the WAL needs no shared memory. */
export function connect(path: string, { maxBytes }: Limits): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA wal_autocheckpoint = ${maxLogPages};
      PRAGMA journal_size_limit = ${maxLogPages * pageBytes};
      PRAGMA max_page_count = ${Math.ceil(maxBytes / pageBytes)}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes the file: the agent in its initial state, owing these effects. After a crash it is either whole or has version 0. */
export function makeJournal(path: string, id: string, effects: readonly Effect[], limits: Limits): void {
  const database = connect(path, limits);
  try {
    database.exec('BEGIN IMMEDIATE');
    const tables = createTables(database);
    const nextEffect = effects.length + 1;
    tables.standing.insert(1, { journal: id, sequence: 0, nextEffect, snapshot: initialSnapshot });
    for (const [index, effect] of effects.entries()) {
      tables.effects.insert(index + 1, { batch: 1, effect, attempts: 0, setAside: false });
    }
    database.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
  } finally {
    database.close();
  }
}

/** `database`: for tables of others, which are written by `alongside` of `journal.write` and nowhere else. */
export type JournalFile = { journal: Journal; database: DatabaseSync };

/** Opens a file that `makeJournal` has made, and reads all of it. Throws a JournalError or SQLite's own error. */
export function openSqliteJournal(path: string, limits: Limits): JournalFile {
  const database = connect(path, limits);
  try {
    verify(database);
    return { journal: journalIn(database, limits), database };
  } catch (error) {
    database.close();
    throw error;
  }
}

function journalIn(database: DatabaseSync, { maxChanges, maxDecisions, after }: Limits): Journal {
  const tables = tablesIn(database);
  const { changes, effects, decisions } = tables;
  const stored = tables.standing.after(0, 1)[0]?.value;
  if (stored === undefined)
    throw new JournalError('damaged', 'the journal does not say where the agent stands');
  let standing = stored;
  /** What everyone asks for, as long as it has not changed. */
  let newest = changes.last(1)[0]?.value;
  let owed: PendingEffect[] | null = null;
  const emptier = after && createLogEmptier(database, after);
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const rollback = database.prepare('ROLLBACK');

  /** Carries the entry out and returns where the agent then stands. */
  function apply(entry: Entry): typeof standing {
    const { change, decision, snapshot = standing.snapshot } = entry;
    owed = null;
    for (const id of entry.drop ?? []) effects.remove(id);
    for (const { id, ...effect } of entry.update ?? []) effects.replace(id, effect);
    const batch = standing.nextEffect;
    const added = entry.add ?? [];
    for (const [index, effect] of added.entries()) {
      effects.insert(batch + index, { batch, effect, attempts: 0, setAside: false });
    }
    if (change !== undefined) {
      changes.insert(change.sequence, change);
      newest = change;
      changes.removeUpTo(change.sequence - maxChanges);
    }
    if (decision !== undefined) {
      const key = (decisions.extent()?.highest ?? 0) + 1;
      decisions.insert(key, decision);
      decisions.removeUpTo(key - maxDecisions);
    }
    const sequence = change?.sequence ?? standing.sequence;
    const then = { ...standing, sequence, snapshot, nextEffect: batch + added.length };
    if (entry.snapshot !== undefined || added.length > 0) tables.standing.replace(1, then);
    return then;
  }

  function write(entry: Entry): Written {
    if (entry.change !== undefined && entry.change.sequence !== standing.sequence + 1) {
      throw new Error(`change ${entry.change.sequence} does not follow ${standing.sequence}`);
    }
    const store = () => {
      const before = standing;
      const newestBefore = newest;
      try {
        if (entry.canWait === true) database.exec('PRAGMA synchronous = NORMAL');
        begin.run();
        standing = apply(entry);
        entry.alongside?.();
        commit.run();
      } catch (error) {
        standing = before;
        newest = newestBefore;
        owed = null;
        throw error;
      } finally {
        if (entry.canWait === true) {
          // It cannot be changed within a transaction.
          if (database.isTransaction) rollback.run();
          database.exec('PRAGMA synchronous = FULL');
        }
      }
    };
    // The room that the log has on disk can be written again once its contents are in the database file.
    const reuseLog = () => database.exec('PRAGMA wal_checkpoint(RESTART)');
    const recorded = unlessFull(store) || (unlessFull(reuseLog) && unlessFull(store));
    if (recorded) emptier?.notice();
    return recorded ? { kind: 'recorded' } : { kind: 'not_recorded', reason: 'disk_full' };
  }

  /** Returns false when there is no room; everything is then as before. */
  function unlessFull(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (database.isOpen && database.isTransaction) rollback.run();
      if (isFull(error)) return false;
      if (sqliteCode(error) === undefined) throw error;
      throw new JournalError('unavailable', 'the journal could not be written', { cause: error });
    }
  }

  return {
    id: standing.journal,
    snapshot: () => standing.snapshot,
    sequence: () => standing.sequence,
    oldestSequence: () => changes.lowest() ?? standing.sequence + 1,
    changesAfter(sequence, limit) {
      if (sequence >= standing.sequence) return [];
      if (sequence === standing.sequence - 1 && newest !== undefined) return [newest];
      return changes.after(sequence, limit).map(({ value }) => value);
    },
    effects() {
      owed ??= effects.after(0, -1).map(({ key, value }) => ({ id: key, ...value }));
      return [...owed];
    },
    decisions: (limit) => decisions.last(limit).map(({ value }) => value),
    write,
    close() {
      emptier?.stop();
      if (database.isOpen) database.close();
    },
  };
}
