/**
 * The share of the hub's daily messages that updates may use. IoT Hub counts a message in units of 4 KiB and begins anew at
 * midnight UTC. This process counts what it sends itself; the hub's own word, when everything is used up, comes on top.
 */

export type Quota = {
  /** Counts a message of so many bytes. */
  count(bytes: number, nowMs: number): void;
  /** The hub itself refused a message for its quota. */
  exhausted(nowMs: number): void;
  /** When to ask again; undefined: there is some left. */
  usedUntil(nowMs: number): number | undefined;
};

export type QuotaOptions = {
  /** Units of 4 KiB a day for this process; `off` for no limit of our own. */
  unitsPerDay: number | 'off';
};

const unitBytes = 4096;
const dayMs = 86_400_000;
/** The hub's quota may be raised at any time by more units, so it is tried again within the hour. */
const tryAgainMs = 3_600_000;

export function createQuota({ unitsPerDay }: QuotaOptions): Quota {
  const most = unitsPerDay === 'off' ? Number.POSITIVE_INFINITY : unitsPerDay;
  let day = 0;
  let units = 0;
  let exhaustedUntilMs = 0;

  function rollOver(nowMs: number): void {
    const today = Math.floor(nowMs / dayMs);
    if (today === day) return;
    day = today;
    units = 0;
  }

  return {
    count(bytes, nowMs) {
      rollOver(nowMs);
      units += Math.max(1, Math.ceil(bytes / unitBytes));
    },
    exhausted(nowMs) {
      const midnightMs = (Math.floor(nowMs / dayMs) + 1) * dayMs;
      exhaustedUntilMs = Math.min(midnightMs, nowMs + tryAgainMs);
    },
    usedUntil(nowMs) {
      rollOver(nowMs);
      if (nowMs < exhaustedUntilMs) return exhaustedUntilMs;
      return units >= most ? (day + 1) * dayMs : undefined;
    },
  };
}
