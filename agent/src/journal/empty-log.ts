/** Empties SQLite's write-ahead log while nothing is being written, so that no command has to wait for it. */
import type { DatabaseSync } from 'node:sqlite';

/** Calls back once after `ms`. Returns what cancels it. */
export type After = (ms: number, callback: () => void) => () => void;

/** How long nothing must have been written. */
const quietMs = 2_000;

export type LogEmptier = {
  /** Something has been written. */
  notice(): void;
  stop(): void;
};

export function createLogEmptier(database: DatabaseSync, after: After): LogEmptier {
  let cancel: (() => void) | null = null;
  let written = false;

  function look(): void {
    cancel = null;
    if (written) wait();
    else empty();
  }

  function empty(): void {
    try {
      database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // Whoever writes next finds out what is wrong with the disk.
    }
  }

  function wait(): void {
    written = false;
    cancel = after(quietMs, look);
  }

  return {
    notice() {
      if (cancel === null) wait();
      else written = true;
    },
    stop: () => cancel?.(),
  };
}
