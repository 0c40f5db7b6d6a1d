/**
 * Slows down clients that share one device id and disconnect each other in turns: unhindered, two of them reconnect
 * hundreds of times a second. A single reconnect over a dead connection is never delayed.
 */
import type { Clock } from './clock.ts';

export type KickDamping = {
  /** Notes that a connection is about to replace another one; returns how long it must wait, ms. */
  kick(deviceId: string): number;
};

/** This many replacements in short order are normal: a device behind a bad link leaves dead connections behind. */
const freeKicks = 3;
const firstDelayMs = 100;
const maxDelayMs = 10_000;
/** Beyond this level the delay grows no more. */
const maxLevel = freeKicks + 8;
/** One replacement is forgotten in this time. Longer than the longest delay, or a storm would end its own damping. */
const forgetMs = 30_000;
const maxRemembered = 10_000;

/** Creates the memory of recent replacements. */
export function createKickDamping(clock: Pick<Clock, 'now'>): KickDamping {
  const recent = new Map<string, { level: number; atMs: number }>();

  function levelNow({ level, atMs }: { level: number; atMs: number }): number {
    return Math.max(0, level - (clock.now() - atMs) / forgetMs);
  }

  function forgetOld(): void {
    for (const [deviceId, state] of recent) if (levelNow(state) === 0) recent.delete(deviceId);
  }

  return {
    kick(deviceId) {
      const state = recent.get(deviceId);
      const level = Math.min(maxLevel, (state === undefined ? 0 : levelNow(state)) + 1);
      if (state === undefined && recent.size >= maxRemembered) forgetOld();
      recent.set(deviceId, { level, atMs: clock.now() });
      const excess = Math.ceil(level) - freeKicks;
      return excess <= 0 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** (excess - 1));
    },
  };
}
