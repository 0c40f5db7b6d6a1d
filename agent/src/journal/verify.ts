/** Reads everything that an opened journal holds, so that damage is found before the agent acts and not in the middle. */
import type { DatabaseSync } from 'node:sqlite';
import { JournalError } from './journal-error.ts';
import type { RecordTable } from './record-table.ts';
import { schemaVersion, tablesIn } from './tables.ts';

/** How many records are read at once. */
const batchSize = 1000;

function readAll<T>(table: RecordTable<T>): void {
  let key = -1;
  for (let rows = table.after(key, batchSize); rows.length > 0; rows = table.after(key, batchSize)) {
    key = rows.at(-1)?.key ?? key;
  }
}

/** Throws a JournalError (`damaged` or `newer_version`), or SQLite's own error for a file that it cannot read. */
export function verify(database: DatabaseSync): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version > schemaVersion) {
    throw new JournalError(
      'newer_version',
      `the journal has version ${version}, this agent reads up to ${schemaVersion}`,
    );
  }
  if (version !== schemaVersion) throw new JournalError('damaged', `the journal has version ${version}`);
  const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (check !== 'ok') throw new JournalError('damaged', String(check));
  // A file that SQLite takes for read-only says so here, and not at the first transition.
  database.exec('BEGIN IMMEDIATE; ROLLBACK');

  const { standing, changes, effects, decisions } = tablesIn(database);
  for (const table of [standing, changes, effects, decisions]) readAll<unknown>(table);
  const now = standing.after(-1, 2).map(({ value }) => value);
  const [only] = now;
  const history = changes.extent();
  const whole =
    now.length === 1 &&
    only !== undefined &&
    (history?.highest ?? 0) === only.sequence &&
    (history === null || history.count === history.highest - history.lowest + 1) &&
    (effects.extent()?.highest ?? 0) < only.nextEffect;
  if (!whole) throw new JournalError('damaged', 'the records of the journal contradict each other');
}
