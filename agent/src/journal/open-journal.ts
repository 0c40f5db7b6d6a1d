/**
 * Opens the agent's journal, or begins one. The journal is a directory, so that a damaged one is set aside whole, by one
 * rename, and a new one appears complete, by another.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Effect } from '../machine/effect.ts';
import { faultOnOpening, JournalError } from './journal-error.ts';
import { type JournalFile, type Limits, makeJournal, openSqliteJournal } from './sqlite-journal.ts';

export type OpenJournalOptions = Partial<Limits> & {
  /** Holds the journal alone; made if absent. Its parent must exist, and keeps what is set aside. */
  directory: string;
  /** Names a new journal. Default: a random UUID. */
  newId?: () => string;
};

/** A journal that could not be read. The agent begins anew in `BUSY` and the cloud is told. */
export type Damage = { keptAs: string; reason: string };

/** How many damaged journals are kept for analysis; the oldest goes first. */
const maxKept = 3;

/**
 * Opens the journal in `directory`, beginning one if there is none. Throws a JournalError: `in_use`, `newer_version` or
 * `unavailable`; a damaged journal is set aside and replaced instead, and reported through the new one's first effect.
 */
export function openJournal(options: OpenJournalOptions): JournalFile & { damage: Damage | null } {
  const { directory, newId = randomUUID, ...given } = options;
  const limits = { maxChanges: 10_000, maxDecisions: 1000, maxBytes: 256 * 1024 * 1024, ...given };
  try {
    if (!existsSync(directory)) beginAnew(directory, newId(), limits);
    const opened = open(directory, limits);
    if (!(opened instanceof JournalError)) return { ...opened, damage: null };

    const keptAs = nameForDamaged(directory);
    const damage = { keptAs, reason: opened.message.slice(0, 1000) };
    make(directory, newId(), [{ kind: 'report', report: { kind: 'journal_damaged', ...damage } }], limits);
    renameSync(directory, keptAs);
    appear(directory);
    dropOldest(directory);
    return { ...openSqliteJournal(fileIn(directory), limits), damage };
  } catch (error) {
    if (error instanceof JournalError) throw error;
    throw new JournalError('unavailable', `${directory}: the journal cannot be opened`, { cause: error });
  }
}

const fileIn = (directory: string) => join(directory, 'journal.db');
/** Where a journal is made until it is whole. */
const makingIn = (directory: string) => `${directory}.making`;

/** Returns the error if the journal is damaged, and throws every other one. */
function open(directory: string, limits: Limits): JournalFile | JournalError {
  const path = fileIn(directory);
  if (!existsSync(path)) return new JournalError('damaged', `${path} is missing`);
  try {
    return openSqliteJournal(path, limits);
  } catch (error) {
    const fault = error instanceof JournalError ? error.fault : faultOnOpening(error);
    const message = error instanceof Error ? error.message : String(error);
    const described = new JournalError(fault, `${path}: ${message}`, { cause: error });
    if (fault === 'damaged') return described;
    throw described;
  }
}

function make(directory: string, id: string, effects: readonly Effect[], limits: Limits): void {
  const making = makingIn(directory);
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { mode: 0o700 });
  makeJournal(fileIn(making), id, effects, limits);
  syncDirectory(making);
}

/** Puts what was made into its place. */
function appear(directory: string): void {
  renameSync(makingIn(directory), directory);
  syncDirectory(dirname(directory));
}

/** A crash between setting aside and replacing leaves a whole journal that only has to appear, with its report. */
function beginAnew(directory: string, id: string, limits: Limits): void {
  const left = makingIn(directory);
  const found = existsSync(left) ? open(left, limits) : null;
  if (found === null || found instanceof JournalError) make(directory, id, [], limits);
  else found.journal.close();
  appear(directory);
}

function damagedBeside(directory: string): { name: string; number: number }[] {
  const prefix = `${basename(directory)}.damaged-`;
  return readdirSync(dirname(directory))
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ name, number: Number(name.slice(prefix.length)) }))
    .filter(({ number }) => Number.isSafeInteger(number))
    .sort((a, b) => a.number - b.number);
}

function nameForDamaged(directory: string): string {
  return `${directory}.damaged-${(damagedBeside(directory).at(-1)?.number ?? 0) + 1}`;
}

function dropOldest(directory: string): void {
  for (const { name } of damagedBeside(directory).slice(0, -maxKept)) {
    rmSync(join(dirname(directory), name), { recursive: true, force: true });
  }
}

/** Makes names durable. Windows neither needs nor allows it. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
