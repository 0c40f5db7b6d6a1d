/** Keeps two hubs out of one data directory. The operating system lets go of the lock when the process ends, however it ends. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Takes the lock and returns the way to release it. Throws when another process, or this one, has it. */
export function lockDirectory(directory: string): () => void {
  const database = new DatabaseSync(join(directory, 'hub.lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw new Error(`another hub is running on ${directory}: stop it, or use another data directory`, {
      cause,
    });
  }
  return () => database.close();
}
