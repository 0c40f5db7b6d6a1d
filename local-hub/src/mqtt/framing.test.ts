import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFraming } from './framing.ts';

const ping = Buffer.from([0xc0, 0x00]);
const puback = Buffer.from([0x40, 0x02, 0x00, 0x07]);

function publish(bodyBytes: number): Buffer {
  const remaining = 2 + 1 + bodyBytes;
  const length: number[] = [];
  for (let rest = remaining; ; ) {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    length.push(rest > 0 ? byte | 0x80 : byte);
    if (rest === 0) break;
  }
  return Buffer.concat([Buffer.from([0x30, ...length, 0x00, 0x01, 0x61]), Buffer.alloc(bodyBytes, 0x62)]);
}

test('packets are cut the same however the bytes arrive', () => {
  const packets = [ping, puback, publish(0), publish(125), publish(20_000), ping];
  const stream = Buffer.concat(packets);
  for (const step of [1, 2, 3, 7, 1_000, stream.length]) {
    const framing = createFraming(1_000_000);
    const cut: Buffer[] = [];
    for (let at = 0; at < stream.length; at += step) {
      framing.push(stream.subarray(at, at + step));
      for (let packet = framing.next(); packet !== undefined; packet = framing.next()) {
        assert.ok(Buffer.isBuffer(packet));
        cut.push(packet);
      }
    }
    assert.deepEqual(cut, packets, `in steps of ${step} bytes`);
  }
});

test('a packet of exactly the maximum size passes and one byte more is refused from its header alone', () => {
  const allowed = publish(1_000);
  const framing = createFraming(allowed.length);
  framing.push(allowed);
  assert.deepEqual(framing.next(), allowed);
  framing.push(publish(1_001).subarray(0, 3));
  assert.equal(framing.next(), 'too-large');
  framing.push(ping);
  assert.equal(framing.next(), 'too-large', 'the stream cannot be resynchronised');
});

test('a length of more than four bytes is refused', () => {
  const framing = createFraming(1_000);
  framing.push(Buffer.from([0x30, 0x80, 0x80, 0x80]));
  assert.equal(framing.next(), undefined);
  framing.push(Buffer.from([0x80]));
  assert.equal(framing.next(), 'malformed-length');
});
