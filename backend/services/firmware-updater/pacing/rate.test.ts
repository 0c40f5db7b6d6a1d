import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRate, type Rate } from './rate.ts';

/** How many messages go in a time, when as many as possible are sent. */
function sentWithin(rate: Rate, fromMs: number, toMs: number): number {
  let sent = 0;
  for (let now = fromMs; now < toMs; now += 100) while (rate.take(now) === 0) sent += 1;
  return sent;
}

test('a limit lets a minute’s messages through in a minute, and a tenth of them at once', () => {
  const rate = createRate({ perMinute: 600 });
  assert.equal(sentWithin(rate, 0, 100), 60);
  assert.ok(Math.abs(sentWithin(rate, 100, 60_100) - 600) <= 1);
});

test('what is not used is given back', () => {
  const rate = createRate({ perMinute: 10 });
  assert.equal(rate.take(0), 0);
  assert.equal(rate.take(0), 6_000);
  rate.giveBack();
  assert.equal(rate.take(0), 0);
});

test('a throttle halves the rate once a second at most, pauses, and is forgotten slowly', () => {
  const rate = createRate({ perMinute: 600 });
  rate.throttled(0);
  rate.throttled(500);
  assert.equal(rate.perMinute(0), 300);
  assert.ok(rate.take(1_000) > 0);
  rate.throttled(1_000);
  assert.ok(Math.abs(rate.perMinute(1_000) - 153.5) < 1);
  assert.ok(rate.perMinute(31_000) < 310);
  assert.equal(rate.perMinute(300_000), 600);
});

test('without a limit, a throttle makes one of half of what was sent', () => {
  const rate = createRate({ perMinute: 'off' });
  for (let n = 0; n < 1_000; n += 1) assert.equal(rate.take(n), 0);
  rate.throttled(1_000);
  assert.equal(rate.perMinute(1_000), 3_000);
  assert.equal(rate.perMinute(1_000_000), Number.POSITIVE_INFINITY);
  rate.throttled(2_000_000);
  assert.equal(rate.perMinute(2_000_000), 50, 'what was sent long ago says nothing');
});

test('a clock that is set back by an hour costs nothing, in the middle of a pause too', () => {
  const rate = createRate({ perMinute: 600 });
  const [noonMs, elevenMs] = [12 * 3_600_000, 11 * 3_600_000];
  assert.equal(sentWithin(rate, noonMs, noonMs + 100), 60);
  assert.ok(Math.abs(sentWithin(rate, elevenMs, elevenMs + 60_000) - 600) <= 2);
  rate.throttled(elevenMs + 60_000);
  assert.equal(rate.take(elevenMs + 60_500), 1_500);
  assert.equal(rate.take(0), 1_500);
  assert.equal(rate.take(1_500), 0);
});
