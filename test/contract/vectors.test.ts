import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DescMessage, fromBinary, fromJsonString, toBinary, toJson } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { messages } from './contract.ts';
import { computeVectors, indexText, type Vector, violationsOf } from './vectors.ts';

const root = join(import.meta.dirname, '..', '..', 'proto', 'vectors');
const validator = createValidator();
const schemas = new Map(messages.map((message) => [message.typeName, message]));
const index: Vector[] = JSON.parse(await readFile(join(root, 'vectors.json'), 'utf8')).vectors;
const ofKind = (kind: Vector['kind']) => index.filter((vector) => vector.kind === kind);

async function contentOf(vector: Vector) {
  const schema = schemas.get(vector.type) as DescMessage;
  // A Buffer would lend its own type to the bytes of the message.
  const binary =
    vector.binary === undefined ? undefined : new Uint8Array(await readFile(join(root, vector.binary)));
  const json = vector.json === undefined ? undefined : await readFile(join(root, vector.json), 'utf8');
  return { schema, name: `${vector.type} ${vector.case}`, binary, json };
}

test('the vectors on disk are exactly those that the cases make', async () => {
  const computed = computeVectors(validator);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const onDisk = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  const expected = [...computed.files.keys(), 'README.md', 'vectors.json'];
  const surplus = onDisk.filter((path) => !expected.includes(path));
  const missing = expected.filter((path) => !onDisk.includes(path));
  assert.deepEqual(
    { surplus, missing },
    { surplus: [], missing: [] },
    'run `node test/contract/write-vectors.ts`',
  );
  assert.equal(await readFile(join(root, 'vectors.json'), 'utf8'), indexText(computed.index));
  for (const [path, content] of computed.files) {
    assert.deepEqual(new Uint8Array(await readFile(join(root, path))), new Uint8Array(content), path);
  }
});

test('every message of the contract has a valid vector, and every field is set in one', async () => {
  const set = new Map<string, Set<string>>(messages.map((message) => [message.typeName, new Set()]));
  for (const vector of ofKind('valid')) {
    const { json } = await contentOf(vector);
    if (json === undefined) continue;
    for (const name of Object.keys(JSON.parse(json))) set.get(vector.type)?.add(name);
  }
  const covered = new Set(ofKind('valid').map((vector) => vector.type));
  const missing = messages.flatMap((message) => [
    ...(covered.has(message.typeName) ? [] : [message.typeName]),
    ...message.fields
      .filter((field) => !set.get(message.typeName)?.has(field.jsonName))
      .map((field) => `${message.typeName}.${field.name}`),
  ]);
  assert.deepEqual(missing, []);
});

test('every valid and every invalid vector reads the same in both forms and breaks exactly its rules', async () => {
  for (const vector of [...ofKind('valid'), ...ofKind('invalid')]) {
    const { schema, name, binary, json } = await contentOf(vector);
    assert.ok(binary, name);
    const message = fromBinary(schema, binary);
    assert.deepEqual(violationsOf(validator, schema, message), vector.violates ?? [], name);
    assert.deepEqual(fromBinary(schema, toBinary(schema, message)), message, name);
    if (json === undefined) continue;
    assert.deepEqual(toJson(schema, message), JSON.parse(json), name);
    assert.deepEqual(toBinary(schema, fromJsonString(schema, json)), binary, name);
  }
});

test('no malformed vector can be read', async () => {
  for (const vector of ofKind('malformed')) {
    const { schema, name, binary, json } = await contentOf(vector);
    assert.throws(
      () => (binary ? fromBinary(schema, binary) : fromJsonString(schema, json ?? '')),
      `${name}: ${vector.about}`,
    );
  }
});

test('fields that a reader does not know survive reading and writing', async () => {
  const vectors = index.filter((vector) => vector.case === 'unknown-field');
  assert.equal(vectors.length, messages.length);
  for (const vector of vectors) {
    const { schema, name, binary } = await contentOf(vector);
    assert.ok(binary, name);
    assert.deepEqual(toBinary(schema, fromBinary(schema, binary)), binary, name);
  }
});
