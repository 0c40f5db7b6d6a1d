/** The hubs that are large enough for a wish, the cheapest first. */

import { finishOf, type Work } from '../../../shared/quota/finish-time.ts';
import { type HubSize, maxUnits, relativeCost, skus } from '../../../shared/quota/hub-limits.ts';
import { allowanceOf, type Shares } from '../../../shared/quota/hub-settings.ts';

const dayMs = 86_400_000;

/** How long a hub needs that begins at the start of its day. Infinity: it never ends. */
export function freshDuration(work: Work, hub: HubSize, shares: Shares): number {
  const allowance = allowanceOf({ hub, shares, messagesPerMinute: null, frameUnitsPerDay: null }, null);
  const finish = finishOf(work, allowance, { leftMs: dayMs, frameUnits: allowance.frameUnitsPerDay });
  return finish.bound === 'none' ? 0 : finish.durationMs;
}

/** Of each size the fewest units that finish in time; a size that cannot is left out. */
export function hubChoices(
  work: Work,
  shares: Shares,
  withinMs: number,
): { hub: HubSize; durationMs: number }[] {
  const found = skus.flatMap((sku) => {
    for (let units = 1; units <= maxUnits[sku]; units += 1) {
      const durationMs = freshDuration(work, { sku, units }, shares);
      if (durationMs <= withinMs) return [{ hub: { sku, units }, durationMs }];
    }
    return [];
  });
  const cost = ({ hub }: { hub: HubSize }): number => hub.units * relativeCost[hub.sku];
  return found.toSorted((a, b) => cost(a) - cost(b));
}
