import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFaults } from './faults.ts';

test('a fault happens once unless it says how often', () => {
  const faults = createFaults();
  faults.inject({ kind: 'drop-acknowledgement' });
  assert.equal(faults.take('drop-acknowledgement', 'd1', 'mqtt')?.kind, 'drop-acknowledgement');
  assert.equal(faults.take('drop-acknowledgement', 'd1', 'mqtt'), undefined);
  faults.inject({ kind: 'delay', delayMs: 50, count: 2 });
  assert.equal(faults.list()[0]?.remaining, 2);
  assert.equal(faults.take('delay')?.delayMs, 50);
  assert.equal(faults.list()[0]?.remaining, 1);
  assert.equal(faults.take('delay')?.delayMs, 50);
  assert.deepEqual(faults.list(), []);
});

test('a fault for one device or one protocol happens to nobody else', () => {
  const faults = createFaults();
  faults.inject({ kind: 'lose-twin-reply', deviceId: 'd1', protocol: 'amqp' });
  assert.equal(faults.take('lose-twin-reply'), undefined);
  assert.equal(faults.take('lose-twin-reply', 'd2', 'amqp'), undefined);
  assert.equal(faults.take('lose-twin-reply', 'd1', 'mqtt'), undefined);
  assert.equal(faults.take('lose-twin-reply', 'd1'), undefined);
  assert.equal(faults.take('kick', 'd1', 'amqp'), undefined);
  assert.equal(faults.take('lose-twin-reply', 'd1', 'amqp')?.deviceId, 'd1');
});

test('faults happen in the order of their injection, and can be cleared', () => {
  const faults = createFaults();
  const first = faults.inject({ kind: 'delay', delayMs: 1 });
  const second = faults.inject({ kind: 'delay', delayMs: 2 });
  const third = faults.inject({ kind: 'delay', delayMs: 3 });
  assert.equal(faults.take('delay')?.id, first);
  assert.equal(faults.clear(second), 1);
  assert.equal(faults.clear(second), 0);
  assert.equal(faults.take('delay')?.id, third);
  faults.inject({ kind: 'restart' });
  faults.inject({ kind: 'kick' });
  assert.equal(faults.clear(), 2);
  assert.deepEqual(faults.list(), []);
});

test('who starts faults by himself is told of each', () => {
  const faults = createFaults();
  const told: string[] = [];
  const stop = faults.onInject((fault) => told.push(fault.kind));
  faults.inject({ kind: 'restart' });
  stop();
  faults.inject({ kind: 'kick' });
  assert.deepEqual(told, ['restart']);
});

test('a fault that makes no sense is refused, naming the field', () => {
  const faults = createFaults();
  const refused: [unknown, RegExp][] = [
    [undefined, /object/],
    [[], /object/],
    ['kick', /object/],
    [{}, /kind/],
    [{ kind: 'explode' }, /kind must be one of drop-acknowledgement/],
    [{ kind: 'kick', device: 'd1' }, /unknown field "device"/],
    [{ kind: 'kick', deviceId: '' }, /deviceId/],
    [{ kind: 'kick', deviceId: 5 }, /deviceId/],
    [{ kind: 'kick', deviceId: 'x'.repeat(129) }, /deviceId/],
    [{ kind: 'kick', protocol: 'coap' }, /protocol/],
    [{ kind: 'throttle', protocol: 'amqp' }, /leave protocol out/],
    [{ kind: 'kick', count: 0 }, /count/],
    [{ kind: 'kick', count: 1.5 }, /count/],
    [{ kind: 'kick', count: 1_000_001 }, /count/],
    [{ kind: 'kick', count: '3' }, /count/],
    [{ kind: 'delay' }, /needs delayMs/],
    [{ kind: 'delay', delayMs: -1 }, /delayMs/],
    [{ kind: 'delay', delayMs: 600_001 }, /delayMs/],
  ];
  for (const [fault, message] of refused) {
    assert.throws(() => faults.inject(fault), { code: 'ArgumentInvalid', message });
  }
  assert.deepEqual(faults.list(), []);
});

test('no more than 1000 faults are kept', () => {
  const faults = createFaults();
  for (let index = 0; index < 1000; index += 1) faults.inject({ kind: 'kick' });
  assert.throws(() => faults.inject({ kind: 'kick' }), { code: 'ArgumentInvalid', message: /Clear some/ });
});
