/**
 * The database's time, which replicas agree on: what one of them writes down for the others, and how old a request is, must not depend
 * on whose machine has its clock right.
 */
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Database } from './connect.ts';

export type DatabaseClock = Clock & {
  /** Resolves once the database has been asked, whether it answers or not; then it is asked now and then. */
  start(): Promise<void>;
  stop(): void;
};

export type DatabaseClockOptions = { database: Pick<Database, 'now'>; clock: Clock; log: Log };

const askEveryMs = 60_000;
/** What the asking itself takes is no error of a clock, and a time that moves a little at each answer helps nobody. */
const toleranceMs = 1_000;

/** Until the database answers, and where the two agree within a second, it is the machine's own time. */
export function createDatabaseClock({ database, clock, log }: DatabaseClockOptions): DatabaseClock {
  let aheadMs = 0;
  let isStopped = false;
  let cancel = () => {};

  async function ask(): Promise<void> {
    const askedMs = clock.now();
    try {
      const time = await database.now();
      const answeredMs = clock.now();
      const measuredMs = Math.round((askedMs + answeredMs) / 2 - time.getTime());
      const isRight = Math.abs(measuredMs) <= toleranceMs + Math.abs(answeredMs - askedMs) / 2;
      if (!isRight && aheadMs === 0)
        log.warn('the clock of this machine differs from the database’s, whose time holds; set it', {
          aheadMs: measuredMs,
        });
      aheadMs = isRight ? 0 : measuredMs;
    } catch {
      // Whoever needs the database says that it is away; what was measured last still holds.
    }
    if (!isStopped) cancel = clock.after(askEveryMs, () => void ask());
  }

  return {
    now: () => clock.now() - aheadMs,
    after: clock.after,
    start: ask,
    stop() {
      isStopped = true;
      cancel();
    },
  };
}
