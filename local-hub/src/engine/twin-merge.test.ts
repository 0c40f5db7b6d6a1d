import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isJsonObject, type JsonObject, type JsonValue, type TwinSection } from './twin.ts';
import { differenceTo, merge, mergeSection, replaceSection } from './twin-merge.ts';

/** A small repeatable random generator (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const keys = ['a', 'b', 'c', '__proto__', 'constructor'];

/** A random object of up to three levels; with `nulls`, some of its values are null, as in a patch. */
function randomObject(random: () => number, nulls: boolean, depth = 0): JsonObject {
  const entries: [string, JsonValue][] = [];
  for (const key of keys) {
    const choice = random();
    if (choice < 0.4) continue;
    if (nulls && choice < 0.55) entries.push([key, null]);
    else if (depth < 3 && choice < 0.8) entries.push([key, randomObject(random, nulls, depth + 1)]);
    else entries.push([key, choice < 0.9 ? Math.floor(choice * 1000) : [choice, { x: null }]]);
  }
  return Object.fromEntries(entries);
}

/** RFC 7396 §2, word for word. */
function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const result = new Map(isJsonObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergePatch(result.get(name), value));
  }
  return Object.fromEntries(result);
}

const hasNull = (value: JsonValue): boolean =>
  value === null || (isJsonObject(value) && Object.values(value).some(hasNull));

/** The keys of metadata are exactly those of the values, each with its time. */
function assertMirrors(value: JsonObject, metadata: JsonObject): void {
  assert.equal(typeof metadata.$lastUpdated, 'string');
  const mirrored = Object.keys(metadata).filter((key) => !key.startsWith('$'));
  assert.deepEqual(new Set(mirrored), new Set(Object.keys(value)));
  for (const [key, each] of Object.entries(value)) {
    const below = Object.getOwnPropertyDescriptor(metadata, key)?.value as JsonValue;
    assert.ok(isJsonObject(below));
    assertMirrors(isJsonObject(each) ? each : {}, below);
  }
}

test('2,000 random merges: as RFC 7396 says, idempotent, without nulls, mirrored in the metadata, nothing given is changed', () => {
  const random = createRandom(7396);
  let section: TwinSection = { value: {}, metadata: {}, version: 1 };
  for (let round = 0; round < 2000; round += 1) {
    const patch = randomObject(random, true);
    const before = JSON.stringify([section, patch]);
    const next = mergeSection(section, patch, `t${round}`, true);
    assert.equal(JSON.stringify([section, patch]), before);
    assert.deepEqual(next.value, mergePatch(section.value, patch));
    assert.deepEqual(merge(next.value, patch), next.value);
    assert.equal(hasNull(next.value), false);
    assert.equal(next.version, section.version + 1);
    assertMirrors(next.value, next.metadata);
    section = random() < 0.1 ? replaceSection(section, randomObject(random, true), `r${round}`, true) : next;
    assertMirrors(section.value, section.metadata);
  }
});

test('2,000 random replacements: the difference brings a device from the old to the new value', () => {
  const random = createRandom(99);
  for (let round = 0; round < 2000; round += 1) {
    const from = randomObject(random, false);
    const to = randomObject(random, false);
    assert.deepEqual(mergePatch(from, differenceTo(from, to)), to);
  }
});

test('a change is noted at its key and at all keys above it, and nowhere else', () => {
  const start: TwinSection = { value: {}, metadata: { $lastUpdated: 't0' }, version: 1 };
  const first = mergeSection(start, { a: { b: 1, c: 2 }, d: 3 }, 't1', true);
  const second = mergeSection(first, { a: { b: 5 } }, 't2', true);
  const at1 = { $lastUpdated: 't1', $lastUpdatedVersion: 2 };
  const at2 = { $lastUpdated: 't2', $lastUpdatedVersion: 3 };
  assert.deepEqual(second, {
    value: { a: { b: 5, c: 2 }, d: 3 },
    metadata: { ...at2, a: { ...at2, b: at2, c: at1 }, d: at1 },
    version: 3,
  });
  assert.deepEqual(mergeSection(start, { a: 1 }, 't1', false).metadata, {
    $lastUpdated: 't1',
    a: { $lastUpdated: 't1' },
  });
});

test('an object replaces a plain value and the other way round, and arrays are replaced whole', () => {
  assert.deepEqual(merge({ a: 1, b: { c: 1 }, d: [1, 2] }, { a: { x: 1 }, b: 2, d: [3] }), {
    a: { x: 1 },
    b: 2,
    d: [3],
  });
  assert.deepEqual(merge({}, { a: { b: null } }), { a: {} });
});

test('keys that name prototypes are keys like any other', () => {
  const patch = JSON.parse(
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
  ) as JsonObject;
  const merged = merge({}, patch);
  assert.equal(JSON.stringify(merged), JSON.stringify(patch));
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.equal(Object.getPrototypeOf(merged), Object.prototype);
});
