/** Writes what can be done without: a disk without room costs a line in the log, not the agent. */
import type { Log } from '../log/log.ts';
import { isFull } from './document.ts';

/** `what` is what is lost then, for the log. Rejects for every failure but a full disk. */
export type UnlessFull = (what: string, write: () => void | Promise<void>) => Promise<void>;

export function createUnlessFull(log: Log): UnlessFull {
  return async (what, write) => {
    try {
      await write();
    } catch (error) {
      if (!isFull(error)) throw error;
      log({ level: 'warn', component: 'disk', message: `the disk is full: ${what} is not kept` });
    }
  };
}
