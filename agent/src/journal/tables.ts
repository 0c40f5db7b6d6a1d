/** The tables of the journal. */
import type { DatabaseSync } from 'node:sqlite';
import { createRecordTable, createTableStatement } from './record-table.ts';
import { changeShape, decisionShape, effectShape, standingShape } from './records.ts';
import { upgradeStanding } from './upgrade.ts';

/** The version of the tables. Records have a version of their own. */
export const schemaVersion = 1;

export type Tables = ReturnType<typeof tablesIn>;

/** Throws SQLite's error when a table is missing. */
export function tablesIn(database: DatabaseSync) {
  return {
    /** One record: where the agent stands. */
    standing: createRecordTable(database, 'standing', standingShape, upgradeStanding),
    /** By sequence. */
    changes: createRecordTable(database, 'change', changeShape),
    /** By id. */
    effects: createRecordTable(database, 'effect', effectShape),
    decisions: createRecordTable(database, 'decision', decisionShape),
  };
}

export function createTables(database: DatabaseSync): Tables {
  for (const name of ['standing', 'change', 'effect', 'decision']) database.exec(createTableStatement(name));
  return tablesIn(database);
}
