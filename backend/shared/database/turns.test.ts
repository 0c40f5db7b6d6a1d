import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurns } from './turns.ts';

test('work goes one after another, in the order of asking, also after a failure', async () => {
  const inTurn = createTurns(1_000);
  const first = Promise.withResolvers<string>();
  const done: string[] = [];
  const one = inTurn(() => first.promise);
  const two = inTurn(async () => done.push('two'));
  const three = inTurn(async () => done.push('three'));
  assert.deepEqual(done, []);
  first.reject(new Error('on purpose'));
  await assert.rejects(one, /on purpose/);
  await Promise.all([two, three]);
  assert.deepEqual(done, ['two', 'three']);
});

test('who has waited long enough goes ahead, and the order of the others stays', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const inTurn = createTurns(1_000);
  const hanging = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  const begun: string[] = [];
  const first = inTurn(() => hanging.promise);
  const second = inTurn(() => {
    begun.push('second');
    return slow.promise;
  });
  t.mock.timers.tick(500);
  const third = inTurn(async () => begun.push('third'));
  t.mock.timers.tick(500);
  await Promise.resolve();
  slow.resolve();
  await second;
  // The end of one that went out of turn is nobody's turn.
  assert.deepEqual(begun, ['second']);
  hanging.resolve();
  await Promise.all([first, third]);
  assert.deepEqual(begun, ['second', 'third']);
});
