/**
 * The time by which metadata expire: a lower bound of the true time, which no clock of the machine can move. It is raised by
 * the times at which timestamps say that they were signed, by the time at which this program was built, and by how long it
 * has run since. README says why, and what an attacker gains.
 */
import type { Storage } from './storage.ts';

export type TrustedTime = {
  /** Milliseconds since 1970; never ahead of the true time, unless a signer was. */
  now(): number;
  raise(toMs: number): void;
  /** Begins anew: who signed the times so far is trusted no longer. */
  reset(): void;
  /** Makes what has passed durable. */
  keep(): void;
};

export type TrustedTimeOptions = {
  storage: Storage;
  /** When this program was built, ms since 1970. */
  builtAtMs: number;
  /** Milliseconds of a clock that only runs and that nobody sets. */
  uptimeMs: () => number;
};

const file = 'time.json';

export function openTrustedTime({ storage, builtAtMs, uptimeMs }: TrustedTimeOptions): TrustedTime {
  let boundMs = Math.max(builtAtMs, kept(storage));
  let asOfMs = uptimeMs();
  const now = () => boundMs + Math.max(0, uptimeMs() - asOfMs);

  function set(toMs: number): void {
    boundMs = toMs;
    asOfMs = uptimeMs();
    storage.write(file, Buffer.from(`${JSON.stringify({ boundMs: Math.floor(toMs) })}\n`));
  }

  return {
    now,
    raise(toMs) {
      if (toMs > now()) set(toMs);
    },
    reset: () => set(builtAtMs),
    keep: () => set(now()),
  };
}

/** A damaged file only means that less is known. */
function kept(storage: Storage): number {
  try {
    const parsed: unknown = JSON.parse(storage.read(file)?.toString('utf8') ?? '{}');
    const { boundMs } = parsed as { boundMs?: unknown };
    return typeof boundMs === 'number' && Number.isFinite(boundMs) ? boundMs : 0;
  } catch {
    return 0;
  }
}
