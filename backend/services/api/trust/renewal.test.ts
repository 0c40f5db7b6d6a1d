import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../../../shared/log.ts';
import { createMetrics } from '../../../shared/metrics.ts';
import { createRenewal } from './renewal.ts';
import type { Ending } from './repository.ts';

const dayMs = 86_400_000;
const lookMs = 12 * 3_600_000;

test('targets and a root that end within 60 days are told of once a day, and their ends are measured', async () => {
  let nowMs = Date.UTC(2026, 10, 30);
  const endings: Ending[] = [
    { role: 'root', version: 2, endMs: nowMs + 400 * dayMs },
    { role: 'targets', version: 7, endMs: nowMs + 62 * dayMs },
  ];
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics({ service: 'api' });
  let next: (() => void) | undefined;
  let scheduled = Promise.withResolvers<void>();
  const renewal = createRenewal({
    repository: { renew: async () => 'fresh', endings: async () => endings },
    clock: {
      now: () => nowMs,
      after(_ms, callback) {
        next = callback;
        scheduled.resolve();
        return () => undefined;
      },
    },
    log: createLog({ service: 'api', write: (line) => lines.push(JSON.parse(line)) }),
    metrics,
  });
  const warnedAfter = async (looks: number) => {
    for (let look = 0; look < looks; look += 1) {
      scheduled = Promise.withResolvers<void>();
      nowMs += lookMs;
      next?.();
      await scheduled.promise;
    }
    return lines.splice(0).map(({ role, version, days, next }) => [role, version, days, next]);
  };
  renewal.start();
  await scheduled.promise;
  assert.equal(
    await metrics.valueOf('trust_end_timestamp_seconds', { role: 'targets' }),
    (nowMs + 62 * dayMs) / 1_000,
  );
  assert.deepEqual(await warnedAfter(4), [], 'there is time yet');
  const what = 'sign what follows with: iotdh pack renew';
  assert.deepEqual(await warnedAfter(4), [
    ['targets', 7, 59, what],
    ['targets', 7, 58, what],
  ]);
  endings[1] = { role: 'targets', version: 8, endMs: nowMs + 365 * dayMs };
  assert.deepEqual(await warnedAfter(4), [], 'it was signed anew');
  endings[0] = { role: 'root', version: 2, endMs: nowMs + dayMs };
  const [warning] = await warnedAfter(1);
  assert.deepEqual(warning, ['root', 2, 0, 'sign what follows with: iotdh keys rotate --renew']);
  renewal.stop();
});
