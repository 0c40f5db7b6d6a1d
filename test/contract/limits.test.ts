import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  type DescField,
  type DescMessage,
  getOption,
  type Message,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { createValidator } from '@bufbuild/protovalidate';
import { type FieldRules, field as fieldRules, message as messageRules } from '@iotdh/proto/buf/validate';
import { CloudToDeviceSchema, FrameSchema } from '@iotdh/proto/bus/v1';
import { maxCloudToDeviceBytes } from '@iotdh/proto/payload';
import { digest, traceParent, uuid } from './cases/examples.ts';
import { allCases } from './cases/index.ts';
import { files, messages } from './contract.ts';
import { ruleEdits } from './rule-edits.ts';
import { violationsOf } from './vectors.ts';

const validator = createValidator();

test('whatever can grow has a limit: strings, bytes, lists and maps', () => {
  const unbounded = messages.flatMap((message) =>
    message.fields.filter((field) => !isBounded(field)).map((field) => `${message.typeName}.${field.name}`),
  );
  assert.deepEqual(unbounded, []);
});

test('overstepping any limit on a field is noticed as that limit', () => {
  let count = 0;
  for (const { schema, base, full } of allCases) {
    for (const { name, message, field, ruleId } of ruleEdits(schema, base, full)) {
      const broken = violationsOf(validator, schema, message);
      const noticed = broken.some((one) => one.startsWith(field) && one.endsWith(`: ${ruleId}`));
      assert.ok(noticed, `${schema.typeName} ${name} breaks [${broken.join(', ')}]`);
      count += 1;
    }
  }
  assert.ok(count > 600, `only ${count} limits were overstepped`);
});

test('every rule that is written in CEL is broken by a case of its own', () => {
  const broken = allCases.flatMap(({ invalid }) =>
    Object.values(invalid).flatMap(({ violates }) => violates.map((one) => one.split(': ')[1])),
  );
  const written = messages.flatMap((message) => [...celIds(message), ...message.fields.flatMap(fieldCelIds)]);
  assert.ok(written.length > 10);
  assert.deepEqual(
    written.filter((id) => !broken.includes(id)),
    [],
  );
});

test('the largest frame fits a C2D message of IoT Hub, with 1 KiB left for its properties', () => {
  const frame = {
    transferId: uuid(1),
    objectDigest: digest(255),
    offset: 1_099_511_627_776n,
    data: new Uint8Array(61_440).fill(255),
  };
  const largest = create(CloudToDeviceSchema, {
    version: 1,
    messageId: uuid(2),
    time: { seconds: 253_402_300_799n, nanos: 999_999_999 },
    traceParent,
    payload: { case: 'frame', value: frame },
  });
  assert.deepEqual(violationsOf(validator, CloudToDeviceSchema, largest), []);
  const size = toBinary(CloudToDeviceSchema, largest).byteLength;
  assert.ok(size <= maxCloudToDeviceBytes, `${size} bytes`);
  assert.equal(maxCloudToDeviceBytes + 1024, 64 * 1024);
  const larger = create(FrameSchema, { ...frame, data: new Uint8Array(61_441) });
  assert.deepEqual(violationsOf(validator, FrameSchema, larger), ['data: bytes.max_len']);
});

test('values at their limits pass', () => {
  const atLimit: [DescMessage, Message][] = allCases.flatMap(({ schema, valid }) =>
    Object.values(valid).map((message): [DescMessage, Message] => [schema, message]),
  );
  for (const [schema, message] of atLimit) {
    assert.deepEqual(violationsOf(validator, schema, message), [], schema.typeName);
  }
});

test('every method says how a retry behaves: it is idempotent, or takes a request id', () => {
  const methods = files.flatMap((file) => file.services).flatMap((service) => service.methods);
  assert.ok(methods.length > 30);
  const silent = methods.filter(
    ({ idempotency, input }) =>
      idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN &&
      !input.fields.some(({ name }) => name === 'request_id'),
  );
  assert.deepEqual(
    silent.map((method) => method.toString()),
    [],
  );
});

test('every file names its package in Go, Java and C#', () => {
  assert.ok(files.length > 30);
  for (const { proto } of files) {
    const [, noun, version] = proto.package.split('.');
    const options = proto.options;
    assert.equal(proto.syntax, 'proto3', proto.name);
    assert.equal(options?.goPackage, `iotdh/gen/go/iotdh/${noun}/${version};${noun}${version}`, proto.name);
    assert.equal(options?.javaPackage, `com.${proto.package}`, proto.name);
    assert.equal(options?.javaMultipleFiles, true, proto.name);
    assert.equal(options?.csharpNamespace.toLowerCase(), proto.package, proto.name);
  }
});

function isBounded(field: DescField): boolean {
  const rules = getOption(field, fieldRules);
  if (field.fieldKind === 'list') {
    if (rules.type.case !== 'repeated' || rules.type.value.maxItems === 0n) return false;
    return isScalarBounded(field.scalar, rules.type.value.items);
  }
  if (field.fieldKind === 'map') {
    if (rules.type.case !== 'map' || rules.type.value.maxPairs === 0n) return false;
    return (
      isScalarBounded(field.mapKey, rules.type.value.keys) &&
      isScalarBounded(field.scalar, rules.type.value.values)
    );
  }
  return isScalarBounded(field.scalar, rules);
}

function isScalarBounded(scalar: ScalarType | undefined, rules: FieldRules | undefined): boolean {
  if (scalar === ScalarType.STRING) {
    if (rules?.type.case !== 'string') return false;
    const { maxLen, maxBytes, wellKnown, pattern } = rules.type.value;
    const fixed = /^\^[^*+]*\$$/.test(pattern);
    return maxLen > 0n || maxBytes > 0n || wellKnown.case === 'uuid' || fixed;
  }
  if (scalar === ScalarType.BYTES) {
    return rules?.type.case === 'bytes' && (rules.type.value.len > 0n || rules.type.value.maxLen > 0n);
  }
  return true;
}

function celIds(message: DescMessage): string[] {
  return getOption(message, messageRules).cel.map(({ id }) => id);
}

function fieldCelIds(field: DescField): string[] {
  const rules = getOption(field, fieldRules);
  const items = rules.type.case === 'repeated' ? rules.type.value.items : undefined;
  return [...rules.cel, ...(items?.cel ?? [])].map(({ id }) => id);
}
