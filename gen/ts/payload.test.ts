import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { CompilationError } from '@bufbuild/protovalidate';
import { CloudToDeviceSchema } from './iotdh/bus/v1/index.ts';
import { createPayloadReader, maxCloudToDeviceBytes } from './payload.ts';

const read = createPayloadReader(CloudToDeviceSchema, { maxBytes: maxCloudToDeviceBytes });
const message = create(CloudToDeviceSchema, {
  version: 1,
  sequence: 4n,
  messageId: '00000000-0000-4000-8000-000000000001',
  time: { seconds: 1n },
  payload: { case: 'cancel', value: { assignmentId: '00000000-0000-4000-8000-000000000002' } },
});
const bytes = toBinary(CloudToDeviceSchema, message);

test('a valid body comes back as its message', () => {
  assert.deepEqual(read(bytes), { kind: 'valid', message });
});

test('a body over the size is not even decoded', () => {
  assert.deepEqual(read(new Uint8Array(maxCloudToDeviceBytes + 1)), {
    kind: 'too-large',
    bytes: maxCloudToDeviceBytes + 1,
    maxBytes: maxCloudToDeviceBytes,
  });
});

test('a body that breaks limits names each field and rule', () => {
  const result = read(toBinary(CloudToDeviceSchema, { ...message, version: 2, messageId: 'mine' }));
  assert.equal(result.kind, 'invalid');
  assert.deepEqual(
    result.violations.map(({ field, ruleId }) => `${field}: ${ruleId}`),
    ['version: uint32.const', 'message_id: string.uuid'],
  );
});

test('a body of a kind that this version does not know is invalid, not lost in silence', () => {
  const unknownPayload = new Uint8Array([0xc2, 0xa9, 0x07, 0x00]);
  const bare = toBinary(CloudToDeviceSchema, { ...message, payload: { case: undefined } });
  const result = read(new Uint8Array([...bare, ...unknownPayload]));
  assert.equal(result.kind, 'invalid');
  assert.deepEqual(
    result.violations.map(({ field }) => field),
    ['payload'],
  );
});

test('no bytes make it throw: every truncation, every changed byte, nesting without end', () => {
  const kinds = new Set<string>();
  for (let length = 0; length <= bytes.length; length += 1) kinds.add(read(bytes.slice(0, length)).kind);
  for (let at = 0; at < bytes.length; at += 1) {
    for (let value = 0; value < 256; value += 1) kinds.add(read(bytes.with(at, value)).kind);
  }
  const nested = new Uint8Array(maxCloudToDeviceBytes).fill(0xbb);
  assert.equal(read(nested).kind, 'malformed');
  assert.deepEqual(kinds, new Set(['malformed', 'invalid', 'valid']));
});

test('a rule that cannot be evaluated has not passed', () => {
  const error = new CompilationError('no such function');
  const broken = createPayloadReader(CloudToDeviceSchema, {
    maxBytes: maxCloudToDeviceBytes,
    validator: {
      validate: (_, subject) => ({ kind: 'error', message: subject, error, violations: undefined }),
    },
  });
  assert.deepEqual(broken(bytes), {
    kind: 'invalid',
    violations: [{ field: '', ruleId: 'error', message: 'no such function' }],
  });
});
