/**
 * When leases end: on a clock that does not jump, from the moment of taking or renewing; over a restart of the agent, from
 * the wall clock, and never before their holders had a chance to renew them.
 */
import type { Clock } from './clock.ts';
import type { StoredHold } from './store/hold-table.ts';

export type Leases = {
  /** Counts a lease from now. */
  begin(id: number, durationMs: number): void;
  end(id: number): void;
  /** Counts on with the leases of before a restart. */
  resume(holds: readonly StoredHold[]): void;
  /** The holds whose leases are over. */
  expired(): number[];
  /** Looks again after `ms`, although nothing is due then. */
  retryIn(ms: number): void;
  stop(): void;
};

export type LeasesOptions = {
  clock: Clock;
  /** How long every lease lasts at least after a restart of the agent, in ms, if it was taken for as long. */
  restartGraceMs: number;
  /** Called when a lease is over. */
  onExpired: () => void;
};

export function createLeases({ clock, restartGraceMs, onExpired }: LeasesOptions): Leases {
  const deadlines = new Map<number, number>();
  let cancel = () => {};

  function arm(): void {
    cancel();
    cancel = () => {};
    if (deadlines.size === 0) return;
    const first = Math.min(...deadlines.values());
    cancel = clock.after(Math.max(0, first - clock.monotonicMs()), ring);
  }

  /** A timer may be early, or shorter than the lease. */
  function ring(): void {
    if (expired().length > 0) onExpired();
    else arm();
  }

  const expired = () =>
    [...deadlines].filter(([, deadline]) => deadline <= clock.monotonicMs()).map(([id]) => id);

  return {
    expired,
    begin(id, durationMs) {
      deadlines.set(id, clock.monotonicMs() + durationMs);
      arm();
    },
    end(id) {
      deadlines.delete(id);
      arm();
    },
    resume(holds) {
      for (const { id, durationMs, expireMs } of holds) {
        if (durationMs === null || expireMs === null) continue;
        const left = Math.min(expireMs - clock.now(), durationMs);
        const grace = Math.min(restartGraceMs, durationMs);
        deadlines.set(id, clock.monotonicMs() + Math.max(left, grace));
      }
      arm();
    },
    retryIn(ms) {
      cancel();
      cancel = clock.after(ms, ring);
    },
    stop() {
      cancel();
      deadlines.clear();
    },
  };
}
