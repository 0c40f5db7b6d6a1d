/** Why a journal cannot be used: the one error that this folder throws on purpose. */

/**
 * - `in_use`: another process has it open; two agents on one machine would undo each other's work;
 * - `newer_version`: a newer agent wrote it; start that agent again, or take the journal away;
 * - `damaged`: what is on disk is not what was written;
 * - `unavailable`: the disk or its permissions do not let us; `cause` says how.
 */
export type JournalFault = 'in_use' | 'newer_version' | 'damaged' | 'unavailable';

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly fault: JournalFault;

  constructor(fault: JournalFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** SQLite's primary result code (https://sqlite.org/rescode.html), or undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}

/** SQLITE_FULL: the disk, or the size that the journal is allowed, has no room for this write. */
export const isFull = (error: unknown): boolean => sqliteCode(error) === 13;

const faults = new Map<number, JournalFault>([
  [5, 'in_use'], // SQLITE_BUSY
  [7, 'unavailable'], // SQLITE_NOMEM
  [10, 'unavailable'], // SQLITE_IOERR
  [13, 'unavailable'], // SQLITE_FULL
  [14, 'unavailable'], // SQLITE_CANTOPEN
]);

/** What an error means while an existing journal is opened: files that are ours and that SQLite rejects are damaged. */
export function faultOnOpening(error: unknown): JournalFault {
  const code = sqliteCode(error);
  return code === undefined ? 'unavailable' : (faults.get(code) ?? 'damaged');
}
