import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSchedule } from './schedule.ts';
import { runSchedules } from './schedules.ts';
import type { Fate, System } from './world.ts';

const fates: readonly Fate[] = [
  'cut_before',
  'cut_torn',
  'cut_after',
  'agent_dies_before',
  'agent_dies_after',
];

for (const temper of ['works', 'fails', 'hangs', 'wavers'] as const satisfies System['temper'][]) {
  test(`a base that ${temper}: whatever befalls any one step, one whole system comes up and the truth is told`, async () => {
    const whole = await runSchedule({ seed: 1, bases: [temper], fateOf: () => 'goes_well' });
    assert.ok(whole.steps >= 12, `only ${whole.steps} steps`);
    assert.equal(whole.proven, temper === 'works' || temper === 'wavers' ? 1 : 0);
    for (let at = 0; at < whole.steps; at += 1) {
      for (const fate of fates) {
        const fateOf = (_step: string, index: number) => (index === at ? fate : 'goes_well');
        const toll = await runSchedule({ seed: at, bases: [temper], fateOf });
        assert.equal(toll.proven + toll.fellBack, 1, `${fate} at step ${at}`);
      }
    }
  });
}

test('failures at random, over bases in both slots: always one whole system, one try, and no success without proof', async () => {
  const toll = await runSchedules({ count: 1500, seed: 1 });
  assert.ok(toll.cuts > 2000 && toll.proven > 700 && toll.fellBack > 700 && toll.givenUp > 0);
});
