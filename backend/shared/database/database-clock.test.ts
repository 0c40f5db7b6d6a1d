import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../log.ts';
import { createDatabaseClock } from './database-clock.ts';

test('the database’s time holds where the machine’s differs, and the machine’s where the two agree or nobody answers', async () => {
  const lines: string[] = [];
  const machine = { nowMs: 1_000_000, aheadMs: 0 };
  let answers: 'right' | 'slow' | 'never' = 'right';
  let next = () => {};
  const clock = createDatabaseClock({
    database: {
      async now() {
        if (answers === 'never') throw new Error('away');
        if (answers === 'slow') machine.nowMs += 20_000;
        return new Date(machine.nowMs);
      },
    },
    clock: {
      now: () => machine.nowMs + machine.aheadMs,
      after(_ms, callback) {
        next = callback;
        return () => {};
      },
    },
    log: createLog({ service: 'test', write: (line) => void lines.push(line) }),
  });
  const asked = async (): Promise<number> => {
    next();
    await new Promise(setImmediate);
    return clock.now() - machine.nowMs;
  };

  answers = 'never';
  await clock.start();
  assert.equal(clock.now(), machine.nowMs);
  answers = 'right';
  machine.aheadMs = 900;
  assert.equal(await asked(), 900);
  assert.deepEqual(lines, []);
  machine.aheadMs = 600_000;
  assert.equal(await asked(), 0);
  assert.equal(await asked(), 0);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /"aheadMs":600000/);
  answers = 'never';
  assert.equal(await asked(), 0);
  answers = 'right';
  machine.aheadMs = -86_400_000;
  assert.equal(await asked(), 0);
  machine.aheadMs = 0;
  answers = 'slow';
  assert.equal(await asked(), 0);
});
