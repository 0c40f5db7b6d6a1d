import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './api/testing/manual-clock.ts';
import { stopAll } from './stop-all.ts';

test('what has not stopped in time is named once, and what has is not', async () => {
  const clock = createManualClock();
  const { promise: drained, resolve } = Promise.withResolvers<void>();
  const said: string[][] = [];
  const parts = { api: { stop: async () => {} }, link: { stop: () => drained } };
  const stopped = stopAll(parts, {
    after: clock.after,
    slowMs: 3_000,
    onSlow: (names) => void said.push(names),
  });
  await Promise.resolve();
  clock.advance(3_000);
  resolve();
  await stopped;
  clock.advance(3_000);
  assert.deepEqual(said, [['link']]);
  await stopAll(
    { api: parts.api },
    { after: clock.after, slowMs: 1, onSlow: () => assert.fail('it was in time') },
  );
  clock.advance(2);
});
