import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { CancelSchema, CloudToDeviceSchema, FrameSchema } from '@iotdh/proto/bus/v1';
import type { Command } from './bus.ts';
import { createInbox } from './inbox.ts';
import type { Note } from './notes.ts';

const id = (n: number) => `7d1f3a52-9a55-4a4e-8f0a-${String(n).padStart(12, '0')}`;

function frame(n: number): Uint8Array {
  const value = create(FrameSchema, {
    transferId: id(0),
    objectDigest: Buffer.alloc(32),
    offset: BigInt(n),
    data: Buffer.of(1),
  });
  return encode(n, { case: 'frame', value }, 0n);
}
const cancel = (n: number) =>
  encode(n, { case: 'cancel', value: create(CancelSchema, { assignmentId: id(0) }) }, BigInt(n));

function encode(n: number, payload: Command, sequence: bigint): Uint8Array {
  const time = timestampFromMs(0);
  const message = create(CloudToDeviceSchema, { version: 1, sequence, messageId: id(n), time, payload });
  return toBinary(CloudToDeviceSchema, message);
}

test('frames beyond what may wait are dropped and may come again; commands are not', async () => {
  const handled: string[] = [];
  let open = () => {};
  let gate: Promise<void> = new Promise((resolve) => {
    open = resolve;
  });
  const notes: Note[] = [];
  const inbox = createInbox({
    maxWaiting: 2,
    notes: (note) => void notes.push(note),
    receivers: {
      async frame({ payload }) {
        handled.push(`frame ${payload.value.offset}`);
        await gate;
      },
      cancel: ({ sequence }) => void handled.push(`cancel ${sequence}`),
    },
  });
  for (const n of [1, 2, 3, 4]) inbox.add(frame(n));
  inbox.add(cancel(5));
  open();
  gate = Promise.resolve();
  while (handled.length < 4) await new Promise(setImmediate);
  assert.deepEqual(handled, ['frame 1', 'frame 2', 'frame 3', 'cancel 5']);
  inbox.add(frame(4));
  inbox.add(frame(3));
  await new Promise(setImmediate);
  assert.deepEqual(handled.slice(4), ['frame 4']);
  assert.deepEqual(notes, []);
});
