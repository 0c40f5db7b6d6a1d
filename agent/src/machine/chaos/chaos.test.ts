import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Snapshot } from '../snapshot.ts';
import { table } from '../table.ts';
import { randomKills } from './kills.ts';
import { deathPoints } from './orders.ts';
import { slaughter } from './slaughter.ts';
import { grandTour, stagesOf } from './walk.ts';

/** How often the grand tour passes each point at which to die. */
const tour = grandTour();
const stages = stagesOf(tour);
const notes = stages.flatMap(({ noted }) => noted ?? []);
const effects = [...stages, ...notes].flatMap((stage) => stage.effects).length;
const passes = {
  before_journal: tour.length + notes.length,
  after_journal: tour.length + notes.length,
  before_effect: effects,
  after_effect: effects,
  in_effect: effects,
};

test('the tour takes every row of the table, names a missing base and drops updates', () => {
  assert.deepEqual(new Set(tour), new Set(table));
  assert.ok(stages.some(({ snapshot, noted }) => isWaitingForBase(snapshot) && noted !== null));
  assert.ok(
    notes.some(({ effects: [first] }) => first?.kind === 'report' && first.report.kind === 'dropped'),
  );
});

function isWaitingForBase(snapshot: Snapshot): boolean {
  return snapshot.state === 'INTRANSIT_BASE' && snapshot.pack.base === null;
}

describe('the agent goes on where it was', { concurrency: 2 }, () => {
  for (const point of deathPoints) {
    test(`when it is killed at each ${point} of a tour over the whole table`, async (t) => {
      const root = mkdtempSync(join(tmpdir(), 'iotdh-chaos-'));
      t.after(() => rmSync(root, { recursive: true, force: true }));
      const folder = join(root, 'tour');
      mkdirSync(folder);
      const { kills } = await slaughter({
        walk: tour,
        folder,
        compileCache: join(root, 'compile-cache'),
        fate: () => ({ kind: 'fresh_point', point }),
        maxKills: Number.POSITIVE_INFINITY,
        signal: t.signal,
      });
      assert.equal(kills, passes[point]);
    });
  }
});

// Each point of the table has had its death by now; `make chaos` goes on to 10,000 deaths.
test('killed 80 times at random, the agent never strays from its walk', { timeout: 120_000 }, async (t) => {
  const tolls = await randomKills({ kills: 80, seed: 1, jobs: 2, signal: t.signal });
  assert.ok(tolls.kills >= 80);
  t.diagnostic(JSON.stringify(tolls));
});
