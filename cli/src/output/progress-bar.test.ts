import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createProgressBar } from './progress-bar.ts';

function barOn(columns: number, noteIsTty = true) {
  const drawn: string[] = [];
  let nowMs = 1_000_000;
  const bar = createProgressBar({
    draw: (text: string) => void drawn.push(text),
    now: () => new Date(nowMs),
    style: (_style: unknown, text: string) => `\u001b[32m${text}\u001b[39m`,
    ...{ columns, noteIsTty },
  } as Parameters<typeof createProgressBar>[0]);
  return { bar, drawn, pass: (ms: number) => (nowMs += ms) };
}

test('a bar is drawn over itself, not too often, with its rate, and taken away once', () => {
  const { bar, drawn, pass } = barOn(100);
  bar.update(0, 0, 'ws-1');
  assert.deepEqual(drawn, [], 'nothing is known yet');
  bar.update(0, 10 * 2 ** 20, 'ws-1');
  bar.update(1, 10 * 2 ** 20, 'ws-1');
  assert.equal(drawn.length, 1);
  pass(1_000);
  bar.update(5 * 2 ** 20, 10 * 2 ** 20, 'ws-1');
  assert.ok(drawn[1]?.startsWith('\r\u001b[K'));
  assert.match(
    stripVTControlCharacters(drawn[1] ?? ''),
    /ws-1 ━{30} {2}50 % {2}5\.00 MiB of 10\.0 MiB, 5\.00 MiB\/s$/,
  );
  bar.clear();
  bar.clear();
  assert.deepEqual(drawn.slice(2), ['\r\u001b[K']);
});

test('a bar never wraps, keeps its colours whole, and is drawn for nobody where nobody looks', () => {
  const { bar, drawn } = barOn(50);
  bar.update(1, 3, 'a-device-with-a-very-long-name');
  const [line = ''] = drawn;
  assert.ok(stripVTControlCharacters(line).replace('\r', '').length <= 60);
  assert.equal(line.match(/\u001b\[32m/g)?.length, line.match(/\u001b\[39m/g)?.length);
  const alone = barOn(100, false);
  alone.bar.update(1, 3, 'ws-1');
  alone.bar.clear();
  assert.deepEqual(alone.drawn, []);
});
