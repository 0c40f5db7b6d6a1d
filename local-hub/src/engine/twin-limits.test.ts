import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from './twin.ts';
import { checkPatch, checkSize, sizeOf } from './twin-limits.ts';

const refused = (patch: unknown, message: RegExp) =>
  assert.throws(() => checkPatch('desired', patch), { code: 'ArgumentInvalid', message });

/** `{one: {two: … {leaf: 1}}}` with `depth` objects below the section. */
function nested(depth: number): JsonObject {
  let value: JsonObject = { leaf: 1 };
  for (let level = 0; level < depth; level += 1) value = { [`level${level}`]: value };
  return value;
}

test('a patch is an object', () => {
  for (const patch of [null, undefined, [], 'text', 5, true]) refused(patch, /desired must be a JSON object/);
  assert.deepEqual(checkPatch('tags', {}), {});
});

test('keys have no dot, dollar, space or control character, and at most 1 KiB', () => {
  for (const key of ['a.b', '$a', 'a b', 'a\n', '\u0085', 'a\u0000'])
    refused({ x: { [key]: 1 } }, /desired\.x has the key/);
  for (const key of ['', 'k'.repeat(1025), 'ü'.repeat(513)])
    refused({ [key]: 1 }, /empty or longer than 1024/);
  checkPatch('desired', { ['k'.repeat(1024)]: 1, 'ümläut-_@#/\\"': 1, 中: 1 });
});

test('what IoT Hub keeps itself is left out, at the top only', () => {
  assert.deepEqual(checkPatch('desired', { $version: 5, $metadata: { a: 1 }, a: 1 }), { a: 1 });
  refused({ a: { $version: 5 } }, /has the key "\$version"/);
  refused({ $other: 5 }, /has the key "\$other"/);
});

test('objects nest up to ten deep', () => {
  checkPatch('reported', nested(10));
  refused(nested(11), /nested more than 10 deep/);
  const array = (depth: number): JsonValue => (depth === 0 ? 1 : [array(depth - 1)]);
  checkPatch('reported', { a: array(10) });
  refused({ a: array(11) }, /nested more than 10 deep/);
  refused({ a: array(5000) }, /nested more than 10 deep/);
});

test('text has at most 4 KiB, whole numbers are those that IoT Hub takes', () => {
  checkPatch('desired', {
    a: 'x'.repeat(4096),
    b: 4503599627370495,
    c: -4503599627370496,
    d: 1e300,
    e: [null, true],
  });
  refused({ a: 'x'.repeat(4097) }, /desired\.a is text of more than 4096 bytes/);
  refused({ a: ['ü'.repeat(2049)] }, /desired\.a\[0\] is text/);
  refused({ a: 4503599627370496 }, /desired\.a is a number beyond/);
  refused({ a: -4503599627370497 }, /number beyond/);
});

test('sizes are counted as IoT Hub counts them', () => {
  const sizes: [JsonValue, number][] = [
    [{ ab: 'cd' }, 4],
    [{ a: 1, b: 2.5 }, 18],
    [{ a: true }, 5],
    [{ ü: 'ü' }, 4],
    [{ a: { b: { c: 'd' } } }, 4],
    [{ a: 'x\n\u0085y' }, 3],
    [{ a: [1, 'b', null] }, 10],
  ];
  for (const [value, bytes] of sizes) assert.equal(sizeOf(value), bytes, JSON.stringify(value));
});

test('tags have 8 KiB, desired and reported 32 KiB each', () => {
  const ofBytes = (bytes: number) =>
    Object.fromEntries(
      Array.from({ length: bytes / 512 }, (_, index) => [String(index).padStart(12, '0'), 'x'.repeat(500)]),
    );
  for (const [section, limit] of [
    ['tags', 8192],
    ['desired', 32_768],
    ['reported', 32_768],
  ] as const) {
    checkSize(section, ofBytes(limit));
    const message = new RegExp(`${section} would have ${limit + 1} bytes, more than its limit of ${limit}`);
    assert.throws(() => checkSize(section, { ...ofBytes(limit), y: '' }), {
      code: 'ArgumentInvalid',
      message,
    });
  }
});
