/** SQLite's result codes (https://sqlite.org/rescode.html) that the outbox answers instead of throwing. */

function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}

/** SQLITE_FULL: the disk, or the size that the database is allowed, has no room for this write. */
export const isFull = (error: unknown): boolean => codeOf(error) === 13;

/** SQLITE_CORRUPT or SQLITE_NOTADB: what is on disk is not what was written. */
export const isDamaged = (error: unknown): boolean => [11, 26].includes(codeOf(error) ?? 0);
