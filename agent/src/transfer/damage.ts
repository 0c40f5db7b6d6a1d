/**
 * Which carriers have brought segments of an object that did not match. Only the digest of a whole segment tells, and its frames may
 * have come by several carriers: all of them are distrusted, and what comes next, by the one that is distrusted least, tells more.
 */
import { type CarrierKind, carrierKinds } from './carriers/carrier.ts';
import { frameCount, framesOfSegment, type Layout } from './layout.ts';

export type DamageOptions = {
  layout: Layout;
  isVerified: (segment: number) => boolean;
  /** How often a carrier may bring the same segment damaged. */
  maxTimes: number;
};

export type Damage = {
  /** A frame is held, and this carrier brought it. */
  brought(frame: number, carrier: CarrierKind): void;
  /** A segment did not match. Answers how often it has come so by each carrier that brought any of it now. */
  found(segment: number): ReadonlyMap<CarrierKind, number>;
  /** How much a carrier is distrusted: by what it brought of segments that are still lacking, or by all once it is too much. */
  timesOf(carrier: CarrierKind): number;
  /** Whether it has brought a segment that is still lacking as often as it may: it is not asked any more. */
  isSpent(carrier: CarrierKind): boolean;
  /** A carrier is another one now, such as a bundle that was imported again. */
  forgive(carrier: CarrierKind): void;
};

export function createDamage({ layout, isVerified, maxTimes }: DamageOptions): Damage {
  /** By frame, one more than the carrier's place among all; 0: none brought it. */
  const broughtBy = new Uint8Array(frameCount(layout));
  /** By segment. */
  const damage = new Map<number, Map<CarrierKind, number>>();
  const totals = new Map<CarrierKind, number>();

  /** Of each segment that is still lacking, how often the carrier has brought it damaged. */
  function lacking(carrier: CarrierKind): number[] {
    return [...damage].flatMap(([segment, times]) => (isVerified(segment) ? [] : [times.get(carrier) ?? 0]));
  }

  return {
    brought(frame, carrier) {
      broughtBy[frame] = carrierKinds.indexOf(carrier) + 1;
    },
    found(segment) {
      const times = damage.get(segment) ?? new Map<CarrierKind, number>();
      damage.set(segment, times);
      const { first, count } = framesOfSegment(layout, segment);
      const carriers = new Set(broughtBy.subarray(first, first + count));
      for (const carrier of carrierKinds.filter((_, index) => carriers.has(index + 1))) {
        times.set(carrier, (times.get(carrier) ?? 0) + 1);
        totals.set(carrier, (totals.get(carrier) ?? 0) + 1);
      }
      return times;
    },
    timesOf(carrier) {
      const total = totals.get(carrier) ?? 0;
      // A carrier that damages one segment after the other would be tried for each of them.
      return total >= maxTimes ? total : lacking(carrier).reduce((sum, times) => sum + times, 0);
    },
    isSpent: (carrier) => lacking(carrier).some((times) => times >= maxTimes),
    forgive(carrier) {
      totals.delete(carrier);
      for (const times of damage.values()) times.delete(carrier);
    },
  };
}
