/** What a victim is told. */
import { type FailPoint, failPoints } from '../fail-point.ts';
import type { Walk } from './walk.ts';

/** Where it can die: at the fail points of the product, and in the hands of a port that has not done anything yet. */
export const deathPoints = [...failPoints, 'in_effect'] as const;
export type DeathPoint = FailPoint | 'in_effect';

export type Orders = {
  /** The journal's directory. */
  directory: string;
  /** Where the effects leave their lines. */
  effectsFile: string;
  walk: Walk;
  /** Die at the first fail point of this name that was not survived before; null: at none for this reason. */
  fresh: { point: DeathPoint; survived: readonly string[] } | null;
  /** Die at the n-th fail point of this life; null as above. */
  dieAt: number | null;
};
