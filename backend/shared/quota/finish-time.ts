/** How long a hub needs for so many messages, within its rate and within what each of its days has. */
import type { Allowance } from './hub-settings.ts';

export type Work = {
  /** C2D messages, commands and frames. */
  messages: number;
  /** Units of 4 KiB of the frames. */
  frameUnits: number;
};

/** `none`: the hub does not limit it. `durationMs` Infinity: it never ends. */
export type Finish = { bound: 'none' } | { bound: 'rate' | 'daily_quota'; durationMs: number };

const dayMs = 86_400_000;

/** `today`: what is left of the hub's current day. */
export function finishOf(
  { messages, frameUnits }: Work,
  allowance: Allowance,
  today: { leftMs: number; frameUnits: number },
): Finish {
  const perMs = allowance.messagesPerMinute / 60_000;
  if (!Number.isFinite(perMs) && !Number.isFinite(allowance.frameUnitsPerDay)) return { bound: 'none' };
  if (messages === 0) return { bound: 'none' };
  const unitsEach = frameUnits / messages;
  const byQuota = (units: number): number => (unitsEach === 0 ? Number.POSITIVE_INFINITY : units / unitsEach);
  const first = Math.min(perMs * today.leftMs, byQuota(today.frameUnits));
  if (messages <= first) return { bound: 'rate', durationMs: wholeMs(messages / perMs) };
  const rest = messages - first;
  const daily = Math.min(perMs * dayMs, byQuota(allowance.frameUnitsPerDay));
  const fullDays = Math.max(0, Math.ceil(rest / daily) - 1);
  const bound = byQuota(allowance.frameUnitsPerDay) < perMs * dayMs ? 'daily_quota' : 'rate';
  if (daily === 0) return { bound, durationMs: Number.POSITIVE_INFINITY };
  const lastMs = (rest - fullDays * daily) / perMs;
  return { bound, durationMs: wholeMs(today.leftMs + fullDays * dayMs + lastMs) };
}

/** Sums of fractions are never exact. */
const wholeMs = (ms: number): number => Math.ceil(ms - 1e-6);
