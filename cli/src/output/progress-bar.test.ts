import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createProgressBar } from './progress-bar.ts';

const cleared = '\r\u001b[K';
const [green, plain] = ['\u001b[32m', '\u001b[39m'];

function barOn(columns: number, noteIsTty = true) {
  const drawn: string[] = [];
  let nowMs = 1_000_000;
  const bar = createProgressBar({
    draw: (text: string) => void drawn.push(text),
    now: () => new Date(nowMs),
    style: (_style: unknown, text: string) => `${green}${text}${plain}`,
    ...{ columns, noteIsTty },
  } as Parameters<typeof createProgressBar>[0]);
  return { bar, drawn, pass: (ms: number) => (nowMs += ms) };
}

test('a bar is drawn over itself, not too often, with its rate, and taken away once', () => {
  const { bar, drawn, pass } = barOn(100);
  bar.update(0, 0, 'ws-1');
  assert.equal(drawn.length, 0, 'nothing is known yet');
  bar.update(0, 10 * 2 ** 20, 'ws-1');
  bar.update(1, 10 * 2 ** 20, 'ws-1');
  assert.equal(drawn.length, 1);
  pass(1_000);
  bar.update(5 * 2 ** 20, 10 * 2 ** 20, 'ws-1');
  assert.ok(drawn.at(-1)?.startsWith(cleared));
  assert.match(
    stripVTControlCharacters(drawn[1] ?? ''),
    /ws-1 ━{30} {2}50 % {2}5\.00 MiB of 10\.0 MiB, 5\.00 MiB\/s$/,
  );
  bar.clear();
  bar.clear();
  assert.deepEqual(drawn.slice(2), [cleared]);
});

test('a bar never wraps, keeps its colours whole, and is drawn for nobody where nobody looks', () => {
  const { bar, drawn } = barOn(50);
  bar.update(1, 3, 'a-device-with-a-very-long-name');
  const [line = ''] = drawn;
  assert.ok(stripVTControlCharacters(line).replace('\r', '').length <= 60);
  assert.equal(line.split(green).length, line.split(plain).length);
  const alone = barOn(100, false);
  alone.bar.update(1, 3, 'ws-1');
  alone.bar.clear();
  assert.deepEqual(alone.drawn, []);
});
