import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FrameRequestSchema, FrameSchema } from '@iotdh/proto/bus/v1';
import { createBench, isWhole, temporaryFolder } from './testing/bench.ts';
import { answer, framesOf } from './testing/cloud.ts';
import { countedFrames } from './testing/counted-frames.ts';
import { createRandom, hex, samplePack } from './testing/pack.ts';
import type { Orders } from './testing/victim.ts';

const frameSize = 1_500;
const maxKills = 5;

test('a transfer killed again and again never asks for a frame that counts, and comes whole', async (t) => {
  const seed = 11;
  const random = createRandom(seed);
  const pack = samplePack(seed, 2);
  const folder = temporaryFolder(t);
  let counted = new Map<string, Set<number>>();
  let kills = 0;

  /** One life; resolves to whether it ended by itself. */
  async function live(dieAtFrame: number): Promise<boolean> {
    const { digest, size } = pack.manifest;
    const orders: Orders = { folder, frameSize, manifest: { digest: hex(digest), size } };
    const victim = fork(join(import.meta.dirname, 'testing', 'victim.ts'), [JSON.stringify(orders)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const ended = once(victim, 'exit');
    let frames = 0;
    victim.on('message', (bytes: Uint8Array) => {
      const request = fromBinary(FrameRequestSchema, bytes);
      const known = counted.get(hex(request.objectDigest));
      for (const frame of framesOf(request)) {
        assert.ok(!known?.has(frame), `frame ${frame} was asked for though it counts (kill ${kills})`);
      }
      for (const frame of answer(pack.blobs, request)) {
        frames += 1;
        if (frames === dieAtFrame) return void victim.kill('SIGKILL');
        if (victim.connected) victim.send(toBinary(FrameSchema, frame), () => {});
      }
    });
    const [code] = (await ended) as [number | null];
    return code === 0;
  }

  while (kills < maxKills && !(await live(40 + Math.floor(random() * 60)))) {
    kills += 1;
    counted = countedFrames(folder, frameSize);
  }
  if (kills === maxKills) assert.ok(await live(Number.POSITIVE_INFINITY));
  assert.ok(kills >= 3, `${kills} kills`);
  const after = createBench(pack, folder);
  assert.ok(await isWhole(pack, after.transfer));
  assert.equal((await after.run()).kind, 'complete');
  assert.deepEqual(after.requests, []);
});
