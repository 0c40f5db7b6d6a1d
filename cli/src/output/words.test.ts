import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import { manyLines, oneLine } from './words.ts';

test('what other people wrote stays in its place: it steers no terminal, hides nothing and keeps its direction', () => {
  for (const style of ['bold', 'dim', 'green', 'red', 'yellow', 'cyan'] as const) {
    const coloured = styleText(style, 'yes', { validateStream: false });
    assert.equal(oneLine(coloured), coloured, style);
  }
  const hiding = ['\x1b[8m', '\x1b[2J', '\x1b]0;title\x07', '\x9b2J', '\x1b[30;40m', '\x1b[7m', '\r', '\b'];
  const turning = ['\u202e', '\u2066', '\u200f', '\u061c', '\u2028'];
  for (const text of [...hiding, ...turning]) {
    const shown = oneLine(`Dr Weber${text}declined`);
    assert.match(shown, /^Dr Weber [ -~]*declined$/, JSON.stringify(text));
  }
  assert.equal(manyLines('one\n\x1b[8mtwo'), 'one\n [8mtwo');
  assert.equal(oneLine('Bettina Grün 東京 😀'), 'Bettina Grün 東京 😀');
});
