import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FrameSchema } from '@iotdh/proto/bus/v1';
import { cloudToDeviceBytes, frameBytes } from './frame.ts';

const envelope = {
  messageId: '00000000-0000-4000-8000-000000000001',
  nowMs: 1_700_000_000_123,
  traceParent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
};
const about = {
  transferId: '00000000-0000-4000-8000-000000000002',
  objectDigest: new Uint8Array(32).fill(7),
};

test('a frame is the same bytes as the encoder makes of it, whatever its length, offset and trace', () => {
  for (const length of [1, 127, 128, 16_383, 16_384, 61_440]) {
    for (const offset of [0, 61_440, 2 ** 40]) {
      for (const traceParent of ['', envelope.traceParent]) {
        const data = Uint8Array.from({ length }, (_, index) => index % 251);
        const value = create(FrameSchema, { ...about, offset: BigInt(offset), data });
        const encoded = cloudToDeviceBytes({ ...envelope, traceParent, payload: { case: 'frame', value } });
        const body = frameBytes({ ...envelope, traceParent }, { ...about, offset, data });
        assert.ok(Buffer.from(encoded).equals(body), `${length} bytes at ${offset}`);
        assert.equal(body.buffer.byteLength, body.length, 'it can be handed over with its memory');
      }
    }
  }
});
