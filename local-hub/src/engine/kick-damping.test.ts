import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createKickDamping } from './kick-damping.ts';

test('a storm is slowed down more and more, to once in ten seconds', () => {
  const clock = createManualClock();
  const damping = createKickDamping(clock);
  const delays = Array.from({ length: 13 }, () => damping.kick('d1'));
  assert.deepEqual(delays, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
  assert.equal(damping.kick('d2'), 0);
});

test('a storm that goes on at the delays that it is given stays slow', () => {
  const clock = createManualClock();
  const damping = createKickDamping(clock);
  let delayMs = 0;
  for (let round = 0; round < 100; round += 1) {
    delayMs = damping.kick('d1');
    clock.advance(delayMs);
  }
  assert.ok(delayMs >= 6400, String(delayMs));
});

test('a storm is forgotten step by step, in minutes', () => {
  const clock = createManualClock();
  const damping = createKickDamping(clock);
  for (let round = 0; round < 11; round += 1) damping.kick('d1');
  clock.advance(5 * 30_000);
  assert.equal(damping.kick('d1'), 800);
  clock.advance(10 * 60_000);
  assert.equal(damping.kick('d1'), 0);
});

test('a device that replaces its dead connection once a minute never waits', () => {
  const clock = createManualClock();
  const damping = createKickDamping(clock);
  for (let round = 0; round < 100; round += 1) {
    assert.equal(damping.kick('d1'), 0);
    clock.advance(60_000);
  }
});
