import assert from 'node:assert/strict';
import { test } from 'node:test';
import rhea from 'rhea';
import { checkValue, maxDepth, WireError } from './check.ts';
import {
  putApplicationProperties,
  putData,
  putMessageAnnotations,
  putProperties,
  putValueSection,
} from './compose.ts';
import { checkFrame, createFrameCutter, protocolHeader, protocolOf } from './frame.ts';
import { batchFormat, readMessage } from './message.ts';
import { parseValue } from './read.ts';
import {
  createWriter,
  putBoolean,
  putInt,
  putLong,
  putMap,
  putString,
  putStrings,
  putSymbol,
  putTimestamp,
  uuidBytes,
  written,
} from './write.ts';

const { types } = rhea;
const symbol = (text: string): Buffer => {
  const writer = createWriter();
  putSymbol(writer, text);
  return written(writer);
};

test('a message that rhea encoded is read with all its parts', () => {
  const encoded = rhea.message.encode({
    message_id: 'one',
    user_id: Buffer.from('someone'),
    to: '/devices/a/messages/devicebound',
    correlation_id: 7,
    content_type: 'application/json',
    content_encoding: 'utf-8',
    absolute_expiry_time: new Date(1_700_000_000_123),
    creation_time: new Date(1_600_000_000_000),
    ttl: 5000,
    message_annotations: { 'x-opt-n': types.wrap_long(-5_000_000_000) },
    application_properties: { text: 'a', number: 3, yes: true },
    body: rhea.message.data_section(Buffer.from('body')),
  });
  const message = readMessage(encoded);
  assert.deepEqual(message.properties, {
    subject: undefined,
    replyTo: undefined,
    messageId: 'one',
    rawMessageId: Buffer.from([0xa1, 3, 0x6f, 0x6e, 0x65]),
    userId: 'someone',
    to: '/devices/a/messages/devicebound',
    correlationId: '7',
    rawCorrelationId: Buffer.from([0x53, 7]),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    absoluteExpiryTimeMs: 1_700_000_000_123,
    creationTimeMs: 1_600_000_000_000,
  });
  assert.equal(message.ttlMs, 5000);
  assert.equal(message.annotations.get('x-opt-n'), -5_000_000_000);
  assert.deepEqual(
    [...message.applicationProperties],
    [
      ['text', 'a'],
      ['number', 3],
      ['yes', true],
    ],
  );
  assert.equal(Buffer.concat(message.data).toString(), 'body');
});

test('message ids of every type become text, and their encoded form is kept', () => {
  const uuid = '01234567-89ab-4def-8123-456789abcdef';
  const big = Buffer.from('ffffffffffffffff', 'hex');
  const cases: [unknown, string][] = [
    ['text', 'text'],
    [rhea.string_to_uuid(uuid), uuid],
    [42, '42'],
    [types.wrap_ulong(big), '18446744073709551615'],
    [types.wrap_binary(Buffer.from('beef', 'hex')), 'beef'],
  ];
  for (const [id, text] of cases) {
    const { properties } = readMessage(rhea.message.encode({ message_id: id, body: 'x' }));
    assert.equal(properties.messageId, text);
    const writer = createWriter();
    putProperties(writer, { rawCorrelationId: properties.rawMessageId });
    putValueSection(writer);
    putBoolean(writer, true);
    assert.equal(readMessage(written(writer)).properties.correlationId, text);
  }
});

test('a message that we composed is read by rhea with the right types', () => {
  const writer = createWriter(8);
  putMessageAnnotations(writer, [
    [symbol('x-opt-sequence-number'), (w) => putLong(w, 9_007_199_254_740_991)],
    [symbol('negative'), (w) => putLong(w, -2)],
    [symbol('x-opt-offset'), (w) => putString(w, '17')],
    [symbol('x-opt-enqueued-time'), (w) => putTimestamp(w, 1_700_000_000_123)],
  ]);
  const id = '01234567-89ab-4def-8123-456789abcdef';
  putProperties(writer, { messageId: id, userId: 'me', contentType: 'a/b', creationTimeMs: 1 }, true);
  putApplicationProperties(writer, { ä: 'ü'.repeat(300), empty: '' }, [
    [symbol('status-code'), (w) => putInt(w, 200)],
  ]);
  putData(writer, Buffer.alloc(300, 7));
  const message = rhea.message.decode(written(writer));
  assert.deepEqual(message.message_annotations, {
    'x-opt-sequence-number': 9_007_199_254_740_991,
    negative: -2,
    'x-opt-offset': '17',
    'x-opt-enqueued-time': new Date(1_700_000_000_123),
  });
  assert.deepEqual(message.message_id, uuidBytes(id));
  assert.deepEqual(message.user_id, Buffer.from('me'));
  assert.equal(message.content_type, 'a/b');
  assert.deepEqual(message.creation_time, new Date(1));
  assert.deepEqual(message.application_properties, {
    ä: 'ü'.repeat(300),
    empty: '',
    'status-code': 200,
  });
  assert.deepEqual(message.body.content, Buffer.alloc(300, 7));
});

test('an amqp-value map with arrays is read by rhea', () => {
  const writer = createWriter();
  putValueSection(writer);
  putMap(writer, 2, () => {
    putString(writer, 'partition_ids');
    putStrings(writer, ['0', '1']);
    putString(writer, 'partition_count');
    putInt(writer, 2);
  });
  assert.deepEqual(rhea.message.decode(written(writer)).body, {
    partition_ids: ['0', '1'],
    partition_count: 2,
  });
});

test('values of every type are read as rhea reads them', () => {
  const encode = (value: unknown) => rhea.message.encode({ body: value }).subarray(-1000);
  const read = (value: unknown) => readMessage(encode(value)).value;
  assert.equal(read(types.wrap_ubyte(200)), 200);
  assert.equal(read(types.wrap_byte(-3)), -3);
  assert.equal(read(types.wrap_ushort(60_000)), 60_000);
  assert.equal(read(types.wrap_short(-300)), -300);
  assert.equal(read(types.wrap_uint(4_000_000_000)), 4_000_000_000);
  assert.equal(read(types.wrap_int(-70_000)), -70_000);
  assert.equal(read(types.wrap_float(0.5)), 0.5);
  assert.equal(read(types.wrap_double(0.1)), 0.1);
  assert.equal(read(types.wrap_char(0x1f600)), '😀');
  assert.equal(read(types.wrap_symbol('sym')), 'sym');
  assert.equal(read(types.wrap_long(Buffer.from('8000000000000000', 'hex'))), -(2n ** 63n));
  assert.deepEqual(read(types.wrap_list(['a', 1])), ['a', 1]);
  assert.deepEqual(read(types.wrap_array(['a', 'b'], 0xa3, undefined)), ['a', 'b']);
  assert.deepEqual(read({ key: [true, null] }), new Map([['key', [true, null]]]));
});

test('a batch keeps its messages apart', () => {
  const inner = rhea.message.encode({ body: rhea.message.data_section(Buffer.from('1')) });
  const batch = rhea.message.encode({ body: rhea.message.data_sections([inner, inner]) });
  assert.equal(batchFormat, 2_147_563_264);
  assert.deepEqual(
    readMessage(batch).data.map((data) => readMessage(data).data.toString()),
    ['1', '1'],
  );
});

/** Lists in lists, `levels` deep. */
function deepLists(levels: number): Buffer {
  let bytes = Buffer.from([0x45]);
  for (let i = 0; i < levels; i += 1)
    bytes = Buffer.concat([Buffer.from([0xc0, bytes.length + 1, 1]), bytes]);
  return bytes;
}

test('malformed values are refused', () => {
  const cases: [string, number[] | Buffer][] = [
    ['nothing', []],
    ['an unknown type', [0x99]],
    ['a string beyond the end', [0xa1, 5, 0x61]],
    ['a list that counts more than it has', [0xd0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]],
    ['an endless array of empty values', [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]],
    ['a map with a key alone', [0xc1, 2, 1, 0x40]],
    ['a list with bytes left over', [0xc0, 3, 1, 0x40, 0x40]],
    ['a list with a size beyond the end', [0xc0, 200, 1, 0x40]],
    ['deep nesting', Buffer.alloc(60_000, 0)],
    ['deep lists', deepLists(maxDepth + 1)],
  ];
  for (const [what, bytes] of cases) assert.throws(() => parseValue(Buffer.from(bytes)), WireError, what);
});

test('every truncation of a valid message is refused, and none crashes', () => {
  const encoded = rhea.message.encode({
    message_id: 'id',
    application_properties: { a: { b: [1, 'two', null] } },
    body: rhea.message.data_section(Buffer.from('body')),
  });
  for (let length = 1; length < encoded.length; length += 1) {
    const part = encoded.subarray(0, length);
    try {
      readMessage(part);
    } catch (error) {
      assert.ok(error instanceof WireError, `at ${length}: ${error}`);
    }
  }
});

test('random bytes are read or refused, quickly and without a crash', () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 0x7fff_ffff;
    return seed;
  };
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: random() % 64 }, () => random() % 256));
    try {
      const end = checkValue(bytes, 0, bytes.length);
      parseValue(bytes.subarray(0, end));
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  }
});

const frame = (size: number, fill = 0): Buffer => {
  const bytes = Buffer.alloc(size, fill);
  bytes.writeUInt32BE(size, 0);
  bytes.writeUInt8(2, 4);
  return bytes;
};

test('frames are cut from chunks of any size', () => {
  const stream = Buffer.concat([frame(8), frame(20, 1), frame(9, 2)]);
  for (const size of [1, 3, 7, stream.length]) {
    const frames: Buffer[] = [];
    const runs: Buffer[] = [];
    const cut = createFrameCutter(64, (found) => void frames.push(found));
    for (let at = 0; at < stream.length; at += size) {
      const run = cut(stream.subarray(at, at + size));
      if (run) runs.push(run);
    }
    assert.deepEqual(Buffer.concat(runs), stream);
    assert.deepEqual(frames, [frame(8), frame(20, 1), frame(9, 2)]);
  }
});

const cutter = () => createFrameCutter(64, () => {});

test('a frame that is too large or too small is refused before it is held', () => {
  assert.throws(() => cutter()(frame(65).subarray(0, 4)), WireError);
  assert.throws(() => cutter()(Buffer.from([0, 0, 0, 7])), WireError);
  assert.throws(() => cutter()(Buffer.alloc(8)), WireError);
});

test('only frames with a known performative of valid structure pass', () => {
  const withBody = (...body: number[]) => {
    const bytes = Buffer.concat([frame(8), Buffer.from(body)]);
    bytes.writeUInt32BE(bytes.length, 0);
    bytes.writeUInt8(0, 5);
    return bytes;
  };
  checkFrame(withBody());
  checkFrame(withBody(0x00, 0x53, 0x18, 0x45));
  checkFrame(withBody(0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x18, 0x45));
  checkFrame(withBody(0x00, 0x53, 0x14, 0xc0, 1, 0, 1, 2, 3));
  for (const body of [
    [0x40],
    [0x00],
    [0x00, 0x53],
    [0x00, 0x53, 0x30, 0x45],
    [0x00, 0x53, 0x14, 0x40],
    [0x00, 0xa3, 1, 0x61, 0x45],
    [0x00, 0x53, 0x14, 0xc0, 9, 0],
  ])
    assert.throws(() => checkFrame(withBody(...body)), WireError, body.join());
  const badOffset = frame(8);
  badOffset.writeUInt8(1, 4);
  assert.throws(() => checkFrame(badOffset), WireError);
});

test('protocol headers are told apart', () => {
  assert.equal(protocolOf(protocolHeader(3)), 3);
  assert.equal(protocolOf(Buffer.from('AMQP\0\0\x09\x01')), undefined);
  assert.equal(protocolOf(Buffer.from('HTTP/1.1')), undefined);
});
