/** Keeps the timestamp fresh: a device that only ever saw an old one would take it for a freeze attack, and rightly. */
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/log.ts';
import type { Repository } from './repository.ts';

export type Renewal = { start(): void; stop(): void };

export type RenewalOptions = {
  repository: Pick<Repository, 'renew'>;
  clock: Clock;
  log: Log;
  /** Default 10 minutes: far more often than it is due, so that a day without storage costs nothing. */
  everyMs?: number;
};

export function createRenewal({ repository, clock, log, everyMs = 600_000 }: RenewalOptions): Renewal {
  let cancel = () => {};
  let stopped = false;

  async function look(): Promise<void> {
    try {
      if ((await repository.renew()) === 'renewed') log.info('the timestamp was signed anew');
    } catch (error) {
      if (!stopped) log.warn('the timestamp could not be signed anew; looking again', { error });
    }
    if (!stopped) cancel = clock.after(everyMs, () => void look());
  }

  return {
    start: () => void look(),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
