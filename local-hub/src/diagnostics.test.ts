import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './diagnostics.ts';

function recorded(format: 'text' | 'json' = 'text') {
  const lines: string[] = [];
  let nowMs = 1_000;
  const log = createLog({ write: (line) => lines.push(line), now: () => nowMs, format });
  return { lines, log, advance: (ms: number) => (nowMs += ms) };
}

test('a line says what happened, to which device, why and what to do', () => {
  const { lines, log } = recorded();
  log.warn({ what: 'MQTT refused', deviceId: 'd1', reason: 'wrong key', next: 'Copy the key again' });
  assert.deepEqual(lines, ['MQTT refused (device d1): wrong key. Copy the key again.']);
});

test('a repeated line is counted instead of printed', () => {
  const { lines, log, advance } = recorded();
  for (let i = 0; i < 1_000; i += 1) log.warn({ what: 'kicked', deviceId: 'd1', reason: 'two clients' });
  log.warn({ what: 'kicked', deviceId: 'd2', reason: 'two clients' });
  assert.equal(lines.length, 2);
  advance(10_000);
  log.warn({ what: 'kicked', deviceId: 'd1', reason: 'two clients' });
  assert.equal(lines[2], 'kicked (device d1): two clients. [and 999 more like this]');
});

test('the port that a client comes from does not make its line another one', () => {
  const { lines, log } = recorded();
  for (let port = 40_000; port < 40_100; port += 1)
    log.warn({ what: `Refused from 127.0.0.1:${port}`, deviceId: 'd1', reason: 'wrong key' });
  assert.equal(lines.length, 1);
});

test('ten thousand different lines do not grow the memory of repetitions', () => {
  const { lines, log } = recorded();
  for (let i = 0; i < 10_000; i += 1) log.warn({ what: 'x', deviceId: `d${i}`, reason: 'r' });
  log.warn({ what: 'x', deviceId: 'd0', reason: 'r' });
  assert.equal(lines.length, 10_001, 'd0 was forgotten long ago, so it is printed again');
});

test('control characters and long input from outside cannot reach the terminal', () => {
  const { lines, log } = recorded();
  log.warn({ what: 'x', deviceId: 'a\u001b[31m\nfake line', reason: 'y'.repeat(100_000) });
  assert.equal(lines[0]?.includes('\u001b'), false);
  assert.equal(lines[0]?.includes('\n'), false);
  assert.ok((lines[0]?.length ?? 0) < 1_000);
});

test('the JSON format carries the same fields', () => {
  const { lines, log } = recorded('json');
  log.info({ what: 'started', reason: 'asked to' });
  assert.deepEqual(JSON.parse(lines[0] ?? ''), {
    time: '1970-01-01T00:00:01.000Z',
    level: 'info',
    what: 'started',
    reason: 'asked to',
  });
});
