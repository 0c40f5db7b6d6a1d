/**
 * What the server must remember over restarts and changes together with the machine: holds, answered requests, consents, the
 * records of moves. Tables of its own in the journal's file, so that one transaction covers a command and its answer.
 */
import type { JournalFile } from '../../journal/sqlite-journal.ts';
import { type AnswerTable, answerTable } from './answer-table.ts';
import { type ConsentTable, consentTable } from './consent-table.ts';
import { type FactTable, factTable } from './fact-table.ts';
import { type HoldTable, holdTable } from './hold-table.ts';
import { importFormer } from './import-former.ts';
import { type MoveTable, moveTable } from './move-table.ts';

export type HostStore = {
  facts: FactTable;
  holds: HoldTable;
  answers: AnswerTable;
  consents: ConsentTable;
  moves: MoveTable;
  /**
   * Carries out `work`, all of it or nothing; durable when it returns true. False: the disk, or the size that the file is
   * allowed, has no room. Throws when the disk itself fails. What goes with a move of the machine is written alongside it
   * instead (`Machine.accept`).
   */
  write(work: () => void): boolean;
  /** As `write`, but what a power cut may lose, since the same follows from what is then on disk. */
  writeSoon(work: () => void): boolean;
};

/**
 * Makes the tables in a journal that has none. `formerPath`: the file in which an agent before version 2 of it kept them,
 * read once. The agent takes a new hold if it is in BUSY and none is left, so that nothing is disturbed.
 */
export function openStore({ journal, database }: JournalFile, formerPath: string): HostStore {
  const isNew =
    database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'hold'").get() ===
    undefined;
  const begin = () => {
    tablesIn(database);
    importFormer(database, formerPath, journal.id);
  };
  if (isNew && journal.write({ alongside: begin }).kind === 'not_recorded') {
    throw new Error('the disk is full: the tables of the local API cannot be made');
  }
  return {
    ...tablesIn(database),
    write: (work) => journal.write({ alongside: work }).kind === 'recorded',
    writeSoon: (work) => journal.write({ alongside: work, canWait: true }).kind === 'recorded',
  };
}

const tablesIn = (database: JournalFile['database']) => ({
  facts: factTable(database),
  holds: holdTable(database),
  answers: answerTable(database),
  consents: consentTable(database),
  moves: moveTable(database),
});
