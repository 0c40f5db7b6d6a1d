import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../shared/log.ts';
import { createTelemetryUse } from './telemetry-use.ts';

test('messages are counted by the hub’s day, in units of 4 KiB, and what could not be written is written later', async () => {
  const written: { day: string; messages: number; units: number }[] = [];
  const database = { state: 'away' as 'away' | 'here' };
  const use = createTelemetryUse({
    collection: {
      // biome-ignore lint/suspicious/noExplicitAny: the driver's overloads are not what is tested
      async updateOne(filter: any, update: any): Promise<any> {
        if (database.state === 'away') throw new Error('the database is away');
        written.push({ day: filter._id, ...update.$inc });
      },
    },
    clock: { now: () => 0, after: () => () => {} },
    log: silentLog,
  });
  use.count(100, new Date('2026-11-30T23:59:59Z'));
  use.count(5_000, new Date('2026-11-30T23:59:59Z'));
  use.count(100, new Date('2026-12-01T00:00:00Z'));
  await use.stop();
  assert.deepEqual(written, []);
  database.state = 'here';
  await use.stop();
  assert.deepEqual(written, [
    { day: '2026-11-30', messages: 2, units: 3 },
    { day: '2026-12-01', messages: 1, units: 1 },
  ]);
});
