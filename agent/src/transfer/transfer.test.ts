import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { TransferRefusal, TransferRefusedSchema } from '@iotdh/proto/bus/v1';
import { Codec } from '@iotdh/proto/update/v1';
import type { Progress } from './outcome.ts';
import { createBench, isWhole, temporaryFolder, transferId } from './testing/bench.ts';
import { answer, framesOf, misbehaviour } from './testing/cloud.ts';
import { addObject, type Blobs, bytesOf, createPack, hex, samplePack, sha256 } from './testing/pack.ts';

test('an update comes whole: manifest, list of segments, objects, contents; and no frame is asked for twice', async (t) => {
  const pack = samplePack();
  const progress: Progress[] = [];
  const folder = temporaryFolder(t);
  const bench = createBench(pack, folder, {
    patienceMs: 10_000,
    onProgress: (each) => progress.push(each),
  });
  const outcome = await bench.run();
  assert.ok(outcome.kind === 'complete', inspect(outcome));
  assert.equal(outcome.manifest.name, 'carto-base');
  assert.ok(await isWhole(pack, bench.transfer));
  const asked = bench.requests.flatMap((request) =>
    framesOf(request).map((frame) => `${hex(request.objectDigest)} ${frame}`),
  );
  assert.equal(new Set(asked).size, asked.length);
  assert.ok(bench.requests.every(({ window }) => window === 32));
  const last = progress.at(-1);
  assert.ok(last !== undefined && last.receivedBytes === last.totalBytes && last.totalBytes > 0);
  const received = progress.map(({ receivedBytes }) => receivedBytes);
  assert.deepEqual(
    received,
    received.toSorted((a, b) => a - b),
  );
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.part')),
    [],
  );
});

test('a transfer that is complete asks for nothing when it runs again', async (t) => {
  const pack = samplePack();
  const folder = temporaryFolder(t);
  await createBench(pack, folder).run();
  const again = createBench(pack, folder);
  assert.equal((await again.run()).kind, 'complete');
  assert.deepEqual(again.requests, []);
});

for (const seed of [1, 2, 3, 4]) {
  test(`frames that are lost, double, out of order, damaged, cut, misplaced or foreign do no harm (seed ${seed})`, async (t) => {
    const pack = samplePack(seed);
    const bench = createBench(pack, temporaryFolder(t), { reply: misbehaviour(seed), maxCorrupt: 50 });
    const outcome = await bench.run();
    assert.equal(outcome.kind, 'complete', inspect(outcome));
    assert.ok(await isWhole(pack, bench.transfer));
  });
}

test('frames of another transfer or another object are ignored, whatever they hold', async (t) => {
  const pack = samplePack();
  let replies = 0;
  const bench = createBench(pack, temporaryFolder(t), {
    reply(frames) {
      replies += 1;
      if (replies === 1) {
        return frames.map((frame) => ({ ...frame, transferId: '11111111-2222-4333-8444-555555555555' }));
      }
      return replies === 2 ? frames.map((frame) => ({ ...frame, objectDigest: Buffer.alloc(32) })) : frames;
    },
  });
  assert.equal((await bench.run()).kind, 'complete');
  const [first, second, third] = bench.requests.map(({ objectDigest, missing }) => ({
    objectDigest,
    missing,
  }));
  assert.deepEqual(second, first);
  assert.deepEqual(third, first);
});

test('a segment that arrives damaged again and again ends the transfer with its reason', async (t) => {
  const pack = samplePack();
  const target = hex(sha256(pack.blobs.get([...pack.blobs.keys()][0]!)!));
  const bench = createBench(pack, temporaryFolder(t), {
    maxCorrupt: 3,
    reply: (frames, { objectDigest }) =>
      hex(objectDigest) !== target
        ? frames
        : frames.map((frame) =>
            frame.offset === 0n ? { ...frame, data: Buffer.alloc(frame.data.length, 9) } : frame,
          ),
  });
  const outcome = await bench.run();
  assert.ok(outcome.kind === 'failed' && outcome.reason === 'corrupt', inspect(outcome));
  assert.match(outcome.detail, /segment 0 .* damaged 3 times by bus/);
});

test('an aborted transfer pauses, and goes on without asking for what counts', async (t) => {
  const pack = samplePack();
  const folder = temporaryFolder(t);
  const abort = new AbortController();
  let counted = 0;
  const first = createBench(pack, folder, {
    onProgress({ receivedBytes }) {
      counted = receivedBytes;
      if (receivedBytes > 100_000) abort.abort();
    },
  });
  assert.deepEqual(await first.run(abort.signal), { kind: 'paused', reason: 'aborted' });
  const second = createBench(pack, folder);
  assert.equal((await second.run()).kind, 'complete');
  assert.ok(await isWhole(pack, second.transfer));
  const frames = second.requests.flatMap(framesOf).length;
  const total = [...pack.blobs.values()].reduce((sum, { length }) => sum + Math.ceil(length / 1_500), 0);
  // A frame at the edge of a segment that does not count is asked for again.
  assert.ok(frames <= total - Math.floor(counted / 1_500) + 20, `${frames} frames of ${total}`);
});

for (const [refusal, reason] of [
  ['UNKNOWN_OBJECT', 'refused'],
  ['UNKNOWN_TRANSFER', 'withdrawn'],
] as const) {
  test(`a refusal ends the transfer: ${refusal} says that it is ${reason}`, async (t) => {
    const pack = samplePack();
    const refused = createBench(pack, temporaryFolder(t), {
      reply(_frames, { objectDigest }) {
        const about = { transferId, objectDigest, refusal: TransferRefusal[refusal] };
        setImmediate(() => refused.transfer.onRefused(create(TransferRefusedSchema, about)));
        return [];
      },
    });
    const outcome = await refused.run();
    assert.ok(outcome.kind === 'failed' && outcome.reason === reason, inspect(outcome));
    assert.match(outcome.detail, new RegExp(refusal));
  });
}

test('without a link nothing counts as asked for, and the transfer goes on when it is back', async (t) => {
  const pack = samplePack();
  let online = true;
  const bench = createBench(pack, temporaryFolder(t), {
    source: {
      async ask(request) {
        if (!online) {
          setImmediate(() => {
            online = true;
            bench.transfer.onLinkOpen();
          });
          return { kind: 'offline' };
        }
        online = bench.requests.push(request) % 5 !== 0;
        setImmediate(() =>
          answer(pack.blobs, request).forEach((frame) => void bench.transfer.onFrame(frame)),
        );
        return { kind: 'sent' };
      },
    },
  });
  assert.equal((await bench.run()).kind, 'complete');
  assert.ok(await isWhole(pack, bench.transfer));
});

test('a full disk pauses the transfer, and it goes on when there is room', async (t) => {
  const pack = samplePack();
  const folder = temporaryFolder(t);
  const disk = { freeBytes: 50_000 };
  const bench = createBench(pack, folder, {
    onProgress({ receivedBytes }) {
      if (receivedBytes > disk.freeBytes)
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  });
  assert.deepEqual(await bench.run(), { kind: 'paused', reason: 'disk_full' });
  disk.freeBytes = Number.POSITIVE_INFINITY;
  assert.equal((await bench.run()).kind, 'complete');
  assert.ok(await isWhole(pack, bench.transfer));
});

test('contents come out of every codec, empty ones too, and what is here already is not carried', async (t) => {
  const blobs: Blobs = new Map();
  const contents = [
    Buffer.alloc(0),
    bytesOf(5_000, 1),
    Buffer.alloc(70_000, 'x'),
    bytesOf(40_000, 2),
    Buffer.alloc(0),
  ];
  const [empty, a, b, c] = contents as [Buffer, Buffer, Buffer, Buffer];
  const pack = createPack(blobs, contents.slice(0, 4), [
    addObject(blobs, [empty, a, empty], { codec: Codec.NONE }),
    addObject(blobs, [b], { codec: Codec.BROTLI }),
    addObject(blobs, [empty, c, empty], { codec: Codec.ZSTD }),
    addObject(blobs, [a, b, c, bytesOf(90_000, 3)], { codec: Codec.NONE }),
  ]);
  const bench = createBench(pack, temporaryFolder(t));
  assert.equal((await bench.run()).kind, 'complete');
  assert.ok(await isWhole(pack, bench.transfer));
  const objects = new Set(bench.requests.map(({ objectDigest }) => hex(objectDigest)));
  assert.equal(objects.size, 4, 'the manifest and the three small objects');
});

test('of an object that yields more, less or something else than the manifest says nothing false is left', async (t) => {
  const right = bytesOf(50_000, 1);
  for (const [name, yielded, codec] of [
    ['more', Buffer.concat([right, Buffer.alloc(10_000_000)]), Codec.ZSTD],
    ['more', Buffer.concat([right, Buffer.alloc(10_000_000)]), Codec.BROTLI],
    ['fewer', right.subarray(1), Codec.ZSTD],
    ['another digest', bytesOf(50_000, 2), Codec.NONE],
  ] as const) {
    const blobs: Blobs = new Map();
    const object = addObject(blobs, [yielded], { codec });
    object.contents[0]!.digest = sha256(right);
    object.contents[0]!.size = BigInt(right.length);
    const pack = createPack(blobs, [right], [object]);
    const bench = createBench(pack, temporaryFolder(t));
    const outcome = await bench.run();
    // What came before the surplus is right, and is all that was asked for.
    assert.equal(await isWhole(pack, bench.transfer), name === 'more');
    assert.equal(outcome.kind === 'complete', name === 'more', inspect(outcome));
    if (outcome.kind !== 'failed') continue;
    assert.equal(outcome.reason, 'undecodable');
    assert.ok(outcome.detail.includes(name), outcome.detail);
  }
});

test('bytes that no decoder accepts are refused, though their digests are right', async (t) => {
  const right = bytesOf(50_000, 1);
  for (const codec of [Codec.ZSTD, Codec.BROTLI]) {
    const blobs: Blobs = new Map();
    const object = addObject(blobs, [right], { codec: Codec.NONE });
    object.encoding = { case: 'whole', value: { $typeName: 'iotdh.update.v1.Whole', codec } };
    const outcome = await createBench(createPack(blobs, [right], [object]), temporaryFolder(t)).run();
    assert.ok(outcome.kind === 'failed' && outcome.reason === 'undecodable', inspect(outcome));
  }
});

test('a manifest that names what no object yields, breaks the contract, or has deltas only is refused', async (t) => {
  const content = bytesOf(3_000, 1);
  const blobs: Blobs = new Map();
  const object = addObject(blobs, [content]);
  const endless = { ...addObject(blobs, [content], { listed: true }), size: 2n ** 40n, segmentSize: 4_096 };
  const packs = [
    ['bad_manifest', createPack(blobs, [content], [endless])],
    ['bad_manifest', createPack(blobs, [content, bytesOf(9, 9)], [object])],
    [
      'bad_manifest',
      createPack(blobs, [content], [object], (manifest) => Object.assign(manifest, { name: 'No Name' })),
    ],
    [
      'bad_manifest',
      createPack(blobs, [content], [object], (manifest) => Object.assign(manifest, { formatVersion: 2 })),
    ],
    ['unsupported', createPack(blobs, [content], [addObject(blobs, [content], { delta: true })])],
  ] as const;
  for (const [reason, pack] of packs) {
    const bench = createBench(pack, temporaryFolder(t));
    const outcome = await bench.run();
    assert.ok(outcome.kind === 'failed' && outcome.reason === reason, inspect(outcome));
    assert.ok(bench.requests.every(({ objectDigest }) => hex(objectDigest) === hex(pack.manifest.digest)));
  }
});

test('a list of segments that is none is refused', async (t) => {
  const content = bytesOf(40_000, 1);
  const blobs: Blobs = new Map();
  const object = addObject(blobs, [content], { codec: Codec.NONE });
  const list = Buffer.alloc(34 * 3, 1);
  blobs.set(hex(sha256(list)), list);
  object.segmentDigests = { case: 'segmentListDigest', value: sha256(list) };
  const outcome = await createBench(createPack(blobs, [content], [object]), temporaryFolder(t)).run();
  assert.ok(outcome.kind === 'failed' && outcome.reason === 'bad_manifest', inspect(outcome));
});
