/**
 * Keeps the timestamp fresh: a device that only ever saw an old one would take it for a freeze attack, and rightly. What only people can
 * sign anew it warns of in time, because no device takes anything once that has ended.
 */
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/log.ts';
import type { Metrics } from '../../../shared/metrics.ts';
import type { Repository } from './repository.ts';

export type Renewal = { start(): void; stop(): void };

export type RenewalOptions = {
  repository: Pick<Repository, 'renew' | 'endings'>;
  clock: Clock;
  log: Log;
  metrics: Pick<Metrics, 'gauge'>;
  /** Default 10 minutes: far more often than it is due, so that a day without storage costs nothing. */
  everyMs?: number;
};

const dayMs = 86_400_000;
/** Before the end: long enough to bring together as many people as must sign. */
const warnMs = 60 * dayMs;
const commands = { root: 'iotdh keys rotate --renew', targets: 'iotdh pack renew' } as const;

export function createRenewal(options: RenewalOptions): Renewal {
  const { repository, clock, log, metrics, everyMs = 600_000 } = options;
  const ends = metrics.gauge(
    'trust_end_timestamp_seconds',
    'When the newest metadata that people have signed end, since 1970',
    ['role'],
  );
  let cancel = () => {};
  let stopped = false;
  let warnedMs = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    try {
      if ((await repository.renew()) === 'renewed') log.info('the timestamp was signed anew');
      await warn();
    } catch (error) {
      if (!stopped) log.warn('the timestamp could not be signed anew; looking again', { error });
    }
    if (!stopped) cancel = clock.after(everyMs, () => void look());
  }

  /** Once a day. */
  async function warn(): Promise<void> {
    const nowMs = clock.now();
    const endings = await repository.endings();
    for (const { role, endMs } of endings) ends(endMs / 1_000, { role });
    const close = endings.filter(({ endMs }) => endMs - nowMs < warnMs);
    if (close.length === 0 || nowMs - warnedMs < dayMs) return;
    warnedMs = nowMs;
    for (const { role, version, endMs } of close) {
      const days = Math.floor((endMs - nowMs) / dayMs);
      const next = `sign what follows with: ${commands[role]}`;
      log.warn('signed metadata end soon, and then no device takes anything', { role, version, days, next });
    }
  }

  return {
    start: () => void look(),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
