import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Frame } from '@iotdh/proto/bus/v1';
import { addPatch } from './testing/pack.ts';
import { createWorkstation, frameSize } from './testing/workstation.ts';
import { framesOf, misbehaviour } from './transfer/testing/cloud.ts';
import { countedFrames } from './transfer/testing/counted-frames.ts';
import { hex } from './transfer/testing/pack.ts';

/** Every frame, in the wrong order, among copies of them that are doubled, cut, misplaced or another transfer’s. */
const disturbed = (frames: Frame[]): Frame[] =>
  frames
    .flatMap((frame, index): Frame[] => {
      const { data, offset } = frame;
      const copies: Partial<Frame>[] = [
        { transferId: '11111111-2222-4333-8444-555555555555', data: data.map(() => 1) },
        { objectDigest: new Uint8Array(32), data: data.map(() => 1) },
        { data: data.subarray(1) },
        { offset: offset + 1n },
        {},
      ];
      // The hub holds 50 messages for a device, and what comes beyond is lost.
      return index % 4 === 0 ? [{ ...frame, ...copies[(index / 4) % copies.length] }, frame] : [frame];
    })
    .reverse();

test('frames that are lost, doubled, reordered, damaged, cut or another transfer’s, and a kill, end in the bytes of the digests', {
  timeout: 120_000,
}, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  const pack = addPatch(station.blobs, { version: '2.0', fileBytes: 600_000 });
  cloud.onReply(misbehaviour(5));
  await client.ready();
  await station.reached('READY');
  const updateId = await cloud.offer(pack);
  // Beyond the signed metadata and the manifest.
  await cloud.counted(100_000);
  await station.kill('SIGKILL');
  const before = cloud.requests.length;
  const folder = join(station.folder, 'data', 'updates', updateId, 'patch');
  const counted = countedFrames(folder, frameSize);
  assert.ok([...counted.values()].some(({ size }) => size > 0));

  cloud.onReply(disturbed);
  await station.start();
  await station.reached('WAIT_CONFIRM_PATCH');
  for (const request of cloud.requests.slice(before)) {
    const known = counted.get(hex(request.objectDigest));
    for (const frame of framesOf(request)) assert.ok(!known?.has(frame), `frame ${frame} counted already`);
  }
  await station.confirm();
  await station.reached('READY');
  for (const [name, bytes] of Object.entries(pack.files))
    assert.ok(bytes.equals(readFileSync(join(station.root, name))), name);
});
