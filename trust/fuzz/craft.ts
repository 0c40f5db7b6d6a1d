/** Metadata that are nearly right, so that what is wrong lies deep, and noise. */
import type { Random } from '../../delta/fuzz/random.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Where readers go wrong. */
const edges: readonly Json[] = [
  ...[0, -1, 1, 2, 3, 0.5, 1e21, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, 4_294_967_296],
  ...[
    '',
    '0',
    '__proto__',
    'constructor',
    '\u0000',
    '9999-12-31T23:59:59Z',
    '1970-01-01T00:00:00Z',
    'not a date',
  ],
  ...[null, true, [], {}, [[]], 'ff'.repeat(300)],
];

const crafts: readonly ((random: Random, bytes: Buffer) => Buffer)[] = [
  // Truncated.
  (random, bytes) => bytes.subarray(0, random.below(bytes.length)),
  // Oversized.
  (random, bytes) => Buffer.concat([bytes, Buffer.alloc(random.below(70_000), ' ')]),
  // Noise, in the middle or alone.
  (random, bytes) => {
    const at = random.below(bytes.length);
    const noise = random.bytes(1 + random.below(6));
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at + random.below(6))]);
  },
  (random) => random.bytes(random.below(300)),
  // A member twice.
  (random, bytes) => {
    const names = [...bytes.toString().matchAll(/"(?:[a-z_]+)":/g)];
    const found = names.length === 0 ? undefined : random.pick(names);
    if (found === undefined) return bytes;
    const text = bytes.toString();
    return Buffer.from(
      `${text.slice(0, found.index)}${found[0]}${random.below(9)},${text.slice(found.index)}`,
    );
  },
  // Nested deep.
  (random, bytes) => {
    const depth = random.below(30_000);
    const text = bytes.toString();
    const at = text.indexOf('{', random.below(text.length)) + 1;
    return Buffer.from(`${text.slice(0, at)}"x":${'['.repeat(depth)}${']'.repeat(depth)},${text.slice(at)}`);
  },
  // Other values, fewer members, another order.
  (random, bytes) => {
    const json = JSON.parse(bytes.toString()) as Json;
    for (let times = 1 + random.below(3); times > 0; times -= 1) bend(random, json);
    return Buffer.from(JSON.stringify(json));
  },
];

/** One of `bytes`, made wrong; now and then as it was. */
export function craft(random: Random, bytes: Buffer): Buffer {
  if (random.chance(0.02)) return bytes;
  // What is still JSON gets further than what is not.
  return random.chance(0.5) ? crafts.at(-1)!(random, bytes) : random.pick(crafts)(random, bytes);
}

function bend(random: Random, json: Json): void {
  const places: [Json[] | { [name: string]: Json }, string][] = [];
  const visit = (value: Json) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      places.push([value, name]);
      visit(member);
    }
  };
  visit(json);
  if (places.length === 0) return;
  const [holder, name] = random.pick(places);
  const members = holder as { [name: string]: Json };
  const value = members[name] as Json;
  const choice = random.below(6);
  if (choice === 0) delete members[name];
  else if (choice === 1 && typeof value === 'number') members[name] = value + random.below(5) - 2;
  else if (choice === 2 && Array.isArray(value)) value.push(...value, ...value.toReversed());
  else if (choice === 3) {
    delete members[name];
    members[name] = value;
  } else if (choice === 4 && !Array.isArray(holder)) {
    const [, other] = random.pick(places);
    members[other] = structuredClone(value);
  } else members[name] = structuredClone(random.pick(edges));
}
