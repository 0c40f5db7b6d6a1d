/** Seeded random kills: walks at random, each killed at random until it is over, several at a time. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, type Random } from '../testing/random.ts';
import { type Fate, slaughter } from './slaughter.ts';
import { randomWalk } from './walk.ts';

export type KillsOptions = {
  kills: number;
  /** The same seed takes the same walks; a death by time may come elsewhere, one at a fail point may not. */
  seed: number;
  /** How many processes to have at a time. */
  jobs: number;
  signal: AbortSignal;
  onWalk?: (toll: { kills: number; walks: number }) => void;
};

/** How many kills there were, in how many walks, and how often at each kind of fail point; the rest died by time. */
export type Tolls = { kills: number; walks: number; points: Record<string, number> };

const rowsInWalk = 24;
/** A life takes some 100 ms to begin and about as long again for a whole walk. */
const longestLifeMs = 300;

function randomFate(random: Random): Fate {
  return random.below(4) === 0
    ? { kind: 'time', ms: 1 + random.below(longestLifeMs) }
    : { kind: 'nth_point', n: 1 + random.below(24) };
}

/**
 * Takes walks until there were as many kills as asked for, or until the signal. Throws with the walk's seed as soon as one
 * goes wrong, and then leaves its files behind.
 */
export async function randomKills({ kills, seed, jobs, signal, onWalk }: KillsOptions): Promise<Tolls> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-chaos-'));
  const compileCache = join(folder, 'compile-cache');
  const tolls: Tolls = { kills: 0, walks: 0, points: {} };
  let walks = 0;

  async function takeWalks(): Promise<void> {
    while (tolls.kills < kills) {
      const walkSeed = seed + walks;
      walks += 1;
      const random = createRandom(walkSeed);
      const home = join(folder, `${walkSeed}`);
      await mkdir(home);
      const options = { walk: randomWalk(random, rowsInWalk), folder: home, compileCache, signal };
      const toll = await slaughter({
        ...options,
        fate: () => randomFate(random),
        maxKills: kills - tolls.kills,
      }).catch((error: unknown) => {
        throw new Error(`the walk with seed ${walkSeed} went wrong; its files are in ${home}`, {
          cause: error,
        });
      });
      await rm(home, { recursive: true });
      tolls.kills += toll.kills;
      tolls.walks += 1;
      for (const point of toll.points.map((name) => name.split(' ')[1] ?? '')) {
        tolls.points[point] = (tolls.points[point] ?? 0) + 1;
      }
      onWalk?.({ kills: tolls.kills, walks: tolls.walks });
    }
  }

  try {
    await Promise.all(Array.from({ length: jobs }, takeWalks));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await rm(folder, { recursive: true });
  return tolls;
}
