import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Frame,
  FrameRangesSchema,
  FrameRequestSchema,
  FrameSchema,
  TransferRefusal,
  TransferRefusedSchema,
} from '@iotdh/proto/bus/v1';
import { Codec } from '@iotdh/proto/update/v1';
import { createDamage } from '../damage.ts';
import { isWhole, realClock, temporaryFolder, transferId } from '../testing/bench.ts';
import { writeBundle } from '../testing/bundle.ts';
import { answer, framesOf } from '../testing/cloud.ts';
import { addObject, type Blobs, bytesOf, createPack, hex, type Pack } from '../testing/pack.ts';
import { createStorage } from '../testing/storage.ts';
import { vouched } from '../testing/vouched.ts';
import { createTransfer, type Transfer } from '../transfer.ts';
import type { Carrier, CarrierKind } from './carrier.ts';
import { type CarrierChoice, createCarrierChoice } from './choose-carrier.ts';
import { createHttpsCarrier } from './https-carrier.ts';
import { createRangeReader } from './https-range.ts';
import { createOfflineCarrier } from './offline-carrier.ts';

const frameSize = 1_500;
/** Ten times as fast as the real one. */
const quickClock: typeof realClock = {
  now: realClock.now,
  monotonicMs: () => realClock.monotonicMs() * 10,
  after: (ms, callback) => realClock.after(ms / 10, callback),
};

type Bench = Awaited<ReturnType<typeof createBench>>;

/** An update of one large file in one object, with its frames counted by whoever brought them. */
async function createBench(
  t: TestContext,
  kinds: readonly CarrierKind[],
  isLarge: boolean | 'by_rule' = true,
) {
  const blobs: Blobs = new Map();
  const content = bytesOf(400_000, 5);
  const object = addObject(blobs, [content], { codec: Codec.NONE, segmentSize: 6_000 });
  const pack: Pack = createPack(blobs, [content], [object]);
  const folder = temporaryFolder(t);
  const bundle = join(folder, 'stick');
  const storage = await createStorage(t, blobs);
  const reader = createRangeReader({ caPem: storage.caPem, idleMs: 5_000 });
  t.after(() => reader.close());
  const abort = new AbortController();
  const changes: { kind: CarrierKind; reason: string }[] = [];
  /** Of the one large object: which carrier brought which frame. */
  const brought: { frame: number; carrier: CarrierKind }[] = [];
  const bus: { isOpen: boolean; bundles: string[] } = { isOpen: true, bundles: [] };
  const isOpen = () => bus.isOpen;
  let onBrought = (_count: number, _carrier: CarrierKind): void => {};
  let accesses = 0;

  async function deliver(frame: Frame, carrier: CarrierKind): Promise<void> {
    if (hex(frame.objectDigest) === hex(object.digest)) {
      brought.push({ frame: Number(frame.offset) / frameSize, carrier });
      onBrought(brought.length, carrier);
    }
    choice.onFrame(frame, carrier);
    await transfer.onFrame(frame, carrier);
  }
  const sizeOf = (digest: Uint8Array) => transfer.sizeOf(digest);
  const made: Record<CarrierKind, Carrier> = {
    bus: {
      kind: 'bus',
      async ask(request) {
        if (!isOpen()) return { kind: 'offline' };
        setImmediate(async () => {
          for (const frame of answer(blobs, request)) {
            if (!isOpen()) return;
            await deliver(frame, 'bus');
          }
        });
        return { kind: 'sent' };
      },
    },
    https: createHttpsCarrier({
      async access(digest) {
        accesses += 1;
        return {
          kind: 'granted',
          url: storage.addressOf(hex(digest)),
          expiresAtMs: realClock.now() + 3_300_000,
        };
      },
      read: reader.read,
      ...{ deliver, sizeOf, clock: quickClock },
    }),
    offline: createOfflineCarrier({ bundles: () => bus.bundles, deliver, sizeOf }),
  };
  const choice: CarrierChoice = createCarrierChoice({
    carriers: kinds.map((kind) => made[kind]),
    isLarge: () => (isLarge === 'by_rule' ? transfer.isLarge() : isLarge),
    hasBundle: () => bus.bundles.length > 0,
    onChange: (kind, reason) => changes.push({ kind, reason }),
    ...{ clock: quickClock, random: () => 0, signal: abort.signal },
  });
  const transfer: Transfer = createTransfer({
    vouching: vouched,
    ...{ transferId, frameSize, manifest: pack.manifest, source: choice, clock: quickClock, random: () => 0 },
    folder: join(folder, 'transfer'),
    patienceMs: 15_000,
  });
  return {
    ...{ pack, bundle, storage, transfer, choice, changes, brought, bus, object },
    writeBundle: (path = bundle) => writeBundle(path, pack),
    accesses: () => accesses,
    onBrought(next: typeof onBrought) {
      onBrought = next;
    },
    /** One byte of the object on the stick becomes another, and back the next time. */
    flip(at: number, stick = bundle) {
      const path = join(stick, 'objects', hex(object.digest));
      const bytes = readFileSync(path);
      bytes[at]! ^= 1;
      writeFileSync(path, bytes);
    },
    runToEnd: () => transfer.run(abort.signal),
    async run() {
      const outcome = await transfer.run(abort.signal);
      assert.equal(outcome.kind, 'complete', inspect(outcome));
      assert.ok(await isWhole(pack, transfer));
      return outcome.kind === 'complete' ? outcome.tally : assert.fail();
    },
  };
}

test('in the middle of a file a transfer moves from the hub to HTTPS, to a stick and back, and carries no frame twice', async (t) => {
  const bench = await createBench(t, ['bus', 'https', 'offline']);
  const { bus, storage, changes, brought, bundle } = bench;
  bench.writeBundle();
  const pulledOut = `${bundle}-elsewhere`;
  storage.misbehave((_range, response) => response.writeHead(503).end() !== undefined);
  let stage = 0;
  bench.onBrought((count) => {
    const at = stage;
    if (at === 0 && count >= 40) {
      stage = 1;
      bus.isOpen = false;
      storage.misbehave(null);
      bench.choice.wake();
    } else if (at === 1 && count >= 110) {
      stage = 2;
      bus.bundles = [bundle];
    } else if (at === 2 && count >= 190) {
      stage = 3;
      renameSync(bundle, pulledOut);
      storage.misbehave((_range, response) => response.writeHead(503).end() !== undefined);
      bus.isOpen = true;
      bench.choice.wake();
    }
  });
  const { carriers } = await bench.run();
  assert.equal(stage, 3);
  const frames = brought.map(({ frame }) => frame);
  const twice = frames.filter((frame, index) => frames.indexOf(frame) !== index);
  // A frame that the hub had on its way when its link ended is nobody's; all others came once.
  assert.deepEqual(twice, []);
  assert.equal(frames.length, Math.ceil(400_000 / frameSize));
  const order = changes.map(({ kind }) => kind);
  for (const [from, to] of [
    ['bus', 'https'],
    ['https', 'offline'],
    ['offline', 'bus'],
  ] as const) {
    const after = order.indexOf(to, order.indexOf(from));
    assert.ok(after > order.indexOf(from), `${from} then ${to} in ${order}`);
  }
  for (const kind of ['bus', 'https', 'offline'] as const) {
    const tally = carriers.find(({ carrier }) => carrier === kind);
    assert.ok((tally?.bytes ?? 0) > 30_000, `${kind} brought ${tally?.bytes}`);
  }
});

test('an address that ends in the middle of an object is renewed, and the range goes on where it was', async (t) => {
  const bench = await createBench(t, ['https']);
  let expired = 0;
  bench.onBrought((count) => {
    if (count !== 60 && count !== 150) return;
    expired += 1;
    bench.storage.expire();
  });
  await bench.run();
  assert.equal(expired, 2);
  // The manifest's, the object's, and twice anew.
  assert.equal(bench.accesses(), 4);
  assert.equal(bench.brought.length, Math.ceil(400_000 / frameSize));
});

test('two requests that find the same address at its end ask for one new address', async () => {
  let given = 0;
  const carrier = createHttpsCarrier({
    async access() {
      given += 1;
      return { kind: 'granted', url: `https://storage/?sig=${given}`, expiresAtMs: Date.now() + 3_300_000 };
    },
    read: async ({ url }) =>
      url.endsWith('sig=1') ? { kind: 'expired', detail: 'signature' } : { kind: 'read' },
    deliver: async () => {},
    sizeOf: () => frameSize,
    clock: realClock,
  });
  const missing = {
    case: 'ranges' as const,
    value: create(FrameRangesSchema, { ranges: [{ first: 0n, count: 1 }] }),
  };
  const request = create(FrameRequestSchema, { objectDigest: bytesOf(32, 1), frameSize, missing });
  const asked = [1, 2].map(() => carrier.ask(request, AbortSignal.timeout(5_000)));
  assert.deepEqual(await Promise.all(asked), [{ kind: 'sent' }, { kind: 'sent' }]);
  assert.equal(given, 2);
});

test('a frame that has come may be asked for again while the rest of its request is still coming', async () => {
  const asked: number[][] = [];
  const abort = new AbortController();
  const never = new Promise<{ kind: 'sent' }>((resolve) =>
    abort.signal.addEventListener('abort', () => resolve({ kind: 'sent' })),
  );
  const carrier: Carrier = {
    kind: 'https',
    ask(request) {
      asked.push(framesOf(request));
      return never;
    },
  };
  const choice = createCarrierChoice({
    ...{ carriers: [carrier], isLarge: () => true, hasBundle: () => false },
    ...{ clock: realClock, random: () => 0, signal: abort.signal },
  });
  const objectDigest = bytesOf(32, 1);
  const missing = {
    case: 'ranges' as const,
    value: create(FrameRangesSchema, { ranges: [{ first: 0n, count: 3 }] }),
  };
  const request = create(FrameRequestSchema, { objectDigest, frameSize, missing });
  const layout = { size: 3 * frameSize, frameSize, segmentSize: frameSize };
  const damage = createDamage({ layout, isVerified: () => false, maxTimes: 5 });
  const first = choice.ask(request, damage);
  choice.onFrame(create(FrameSchema, { objectDigest, offset: BigInt(frameSize) }), 'https');
  const second = choice.ask(request, damage);
  assert.deepEqual(asked, [[0, 1, 2], [1]]);
  abort.abort();
  await Promise.all([first, second]);
});

test('what is small comes over the hub, and what the hub has no quota for by HTTPS', async (t) => {
  const small = await createBench(t, ['bus', 'https'], false);
  await small.run();
  assert.ok(small.brought.every(({ carrier }) => carrier === 'bus'));

  const refused = await createBench(t, ['bus', 'https'], false);
  refused.onBrought((count) => {
    if (count !== 20) return;
    refused.bus.isOpen = false;
    const refusal = create(TransferRefusedSchema, {
      ...{ transferId, objectDigest: refused.object.digest, refusal: TransferRefusal.QUOTA_USED },
      retryTime: timestampFromMs(Date.now() + 3_600_000),
    });
    assert.equal(refused.choice.onRefused(refusal, Date.now()), true);
    refused.transfer.onLinkOpen();
  });
  await refused.run();
  assert.deepEqual(
    refused.changes.map(({ kind }) => kind),
    ['bus', 'https'],
  );
  assert.match(refused.changes[1]!.reason, /no quota/);

  const alone = await createBench(t, ['bus']);
  const refusal = create(TransferRefusedSchema, { refusal: TransferRefusal.UNKNOWN_TRANSFER });
  assert.equal(
    alone.choice.onRefused(refusal, Date.now()),
    false,
    'what is refused for ever ends the transfer',
  );
});

test('a manifest that takes more than a frame comes by HTTPS, and objects that are few bytes over the hub all the same', async (t) => {
  const bench = await createBench(t, ['bus', 'https', 'offline'], 'by_rule');
  assert.ok(bench.pack.manifest.size > frameSize);
  await bench.run();
  const manifest = hex(bench.pack.manifest.digest);
  assert.deepEqual(new Set(bench.storage.ranges.map(({ object }) => object)), new Set([manifest]));
  assert.ok(bench.brought.every(({ carrier }) => carrier === 'bus'));
});

test('a refusal for want of quota rests the hub alone, until the time that it says', async (t) => {
  const refusal = (bench: Bench, inMs: number) =>
    create(TransferRefusedSchema, {
      ...{ transferId, objectDigest: bench.object.digest, refusal: TransferRefusal.QUOTA_USED },
      retryTime: timestampFromMs(Date.now() + inMs),
    });
  const refusedAt20 = (bench: Bench, inMs: number, then: () => void) =>
    bench.onBrought((count) => {
      if (count !== 20) return;
      bench.bus.isOpen = false;
      assert.equal(bench.choice.onRefused(refusal(bench, inMs), Date.now()), true);
      bench.transfer.onLinkOpen();
      then();
    });

  const stick = await createBench(t, ['bus', 'offline'], false);
  stick.writeBundle();
  refusedAt20(stick, 3_600_000, () =>
    setImmediate(() => {
      stick.bus.bundles = [stick.bundle];
      stick.choice.wake();
      stick.transfer.onBundle();
    }),
  );
  await stick.run();
  assert.ok(stick.brought.slice(25).every(({ carrier }) => carrier === 'offline'));

  const https = await createBench(t, ['https', 'bus']);
  let isAway = true;
  https.storage.misbehave((_range, response) => isAway && !!response.writeHead(503).end());
  // The rest that it takes for that ends by itself.
  refusedAt20(https, 3_600_000, () => {
    isAway = false;
  });
  await https.run();
  assert.ok(https.brought.slice(25).every(({ carrier }) => carrier === 'https'));

  const later = await createBench(t, ['bus'], false);
  refusedAt20(later, 1, () => {
    later.bus.isOpen = true;
  });
  await later.run();
});

test('a machine whose clock is wrong asks again after as long as the hub says', async () => {
  const time = { ms: 0 };
  const saidAtMs = Date.parse('2026-11-30T12:00:00Z');
  const refusal = create(TransferRefusedSchema, {
    refusal: TransferRefusal.QUOTA_USED,
    retryTime: timestampFromMs(saidAtMs + 1_800_000),
  });
  const request = create(FrameRequestSchema, { objectDigest: bytesOf(32, 1), frameSize });
  const layout = { size: frameSize, frameSize, segmentSize: frameSize };
  const damage = createDamage({ layout, isVerified: () => false, maxTimes: 5 });
  for (const wrongByMs of [-86_400_000, 0, 86_400_000]) {
    let asked = 0;
    const choice = createCarrierChoice({
      carriers: [
        {
          kind: 'bus',
          async ask() {
            asked += 1;
            return { kind: 'sent' };
          },
        },
      ],
      clock: { ...realClock, now: () => saidAtMs + wrongByMs, monotonicMs: () => time.ms },
      ...{ isLarge: () => false, hasBundle: () => false, random: () => 0 },
      signal: AbortSignal.timeout(5_000),
    });
    assert.equal(choice.onRefused(refusal, saidAtMs), true);
    for (const passedMs of [1_000, 60_000, 1_730_000]) {
      time.ms += passedMs;
      assert.equal((await choice.ask(request, damage)).kind, 'offline');
    }
    assert.equal(asked, 0, `off by ${wrongByMs}`);
    time.ms += 10_000;
    await choice.ask(request, damage);
    assert.equal(asked, 1, `off by ${wrongByMs}`);
  }
});

test('a hub that brings nothing for half a minute gives way to another carrier, and goes on being asked where there is none', async () => {
  const missing = {
    case: 'ranges' as const,
    value: create(FrameRangesSchema, { ranges: [{ first: 0n, count: 1 }] }),
  };
  const request = create(FrameRequestSchema, { objectDigest: bytesOf(32, 1), frameSize, missing });
  const layout = { size: frameSize, frameSize, segmentSize: frameSize };
  const damage = createDamage({ layout, isVerified: () => false, maxTimes: 5 });
  for (const [others, expected] of [
    [['https'], ['bus', 'bus', 'https']],
    // A stick may be imported later, and is not there now.
    [['offline'], ['bus', 'bus', 'bus']],
  ] as const) {
    const asked: string[] = [];
    const said: string[] = [];
    const time = { ms: 0 };
    const choice = createCarrierChoice({
      carriers: (['bus', ...others] as const).map((kind) => ({
        kind,
        async ask() {
          asked.push(kind);
          return { kind: 'sent' };
        },
      })),
      ...{ isLarge: () => false, hasBundle: () => false, random: () => 0 },
      clock: { ...realClock, monotonicMs: () => time.ms },
      onChange: (kind, reason) => said.push(`${kind}: ${reason}`),
      signal: AbortSignal.timeout(5_000),
    });
    for (const atMs of [0, 29_000, 31_000]) {
      time.ms = atMs;
      await choice.ask(request, damage);
    }
    assert.deepEqual(asked, expected);
    assert.equal(said[1], others[0] === 'https' ? 'https: the hub brings nothing' : undefined);
  }
});

test('an address is renewed five minutes before its end, and not at once by a clock that is ahead', async () => {
  for (const [aheadMs, expected] of [
    [0, [1, 1, 2]],
    [86_400_000, [1, 2, 2]],
  ] as const) {
    const time = { ms: 1_000_000 };
    let given = 0;
    const carrier = createHttpsCarrier({
      async access() {
        given += 1;
        return { kind: 'granted', url: `https://storage/?sig=${given}`, expiresAtMs: time.ms + 3_300_000 };
      },
      read: async () => ({ kind: 'read' }),
      deliver: async () => {},
      sizeOf: () => frameSize,
      clock: { ...realClock, now: () => time.ms + aheadMs },
    });
    const value = create(FrameRangesSchema, { ranges: [{ first: 0n, count: 1 }] });
    const missing = { case: 'ranges' as const, value };
    const request = create(FrameRequestSchema, { objectDigest: bytesOf(32, 1), frameSize, missing });
    const renewals: number[] = [];
    for (const passedMs of [0, 2_990_000, 20_000]) {
      time.ms += passedMs;
      await carrier.ask(request, AbortSignal.timeout(5_000));
      await carrier.ask(request, AbortSignal.timeout(5_000));
      renewals.push(given);
    }
    // Whatever the clock says, what was granted a moment ago is not asked for again.
    assert.deepEqual(renewals, expected, `${aheadMs} ms ahead`);
  }
});

test('a stick that is pulled out while it is read has nothing for now, and is no fault of the transfer', async (t) => {
  const bench = await createBench(t, ['offline', 'bus']);
  bench.writeBundle();
  bench.bus.bundles = [bench.bundle];
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const read = prototype.read;
  bench.onBrought((count, carrier) => {
    if (count !== 60 || carrier !== 'offline') return;
    t.mock.method(prototype, 'read', function (this: typeof handle, ...given: Parameters<typeof read>) {
      const [, , length] = given as unknown as [Buffer, number, number];
      // What is read of the stick, a frame at a time, and not what the transfer reads back of its own.
      if (length !== frameSize) return read.apply(this, given);
      return Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
    });
  });
  const { carriers } = await bench.run();
  assert.deepEqual(carriers.map(({ carrier }) => carrier).toSorted(), ['bus', 'offline']);
});

test('of a damaged stick the damaged segments come by another carrier, and the others from the stick', async (t) => {
  const bench = await createBench(t, ['https', 'offline', 'bus']);
  bench.writeBundle();
  bench.flip(201_000);
  // The segment in which the transfer changes carriers is damaged as well: nobody knows then whose fault it is.
  bench.flip(65_999);
  bench.onBrought((count) => {
    if (count === 42) bench.bus.bundles = [bench.bundle];
  });
  const { carriers } = await bench.run();
  const of = (kind: CarrierKind) => carriers.find(({ carrier }) => carrier === kind)?.bytes ?? 0;
  assert.ok(of('offline') > 130_000, `the stick brought ${of('offline')}`);
  assert.ok(of('https') >= 42 * frameSize, `HTTPS brought ${of('https')}`);
  assert.equal(
    bench.brought.at(-1)?.carrier,
    'offline',
    'the stick is asked again once the segment is right',
  );
  const said = bench.changes.map(({ kind, reason }) => `${kind}: ${reason}`);
  assert.ok(said.includes('https: offline brought a segment damaged'), String(said));
});

test('two sticks of which each is damaged elsewhere bring an update that neither could bring alone', async (t) => {
  const bench = await createBench(t, ['offline']);
  const second = `${bench.bundle}-2`;
  bench.writeBundle();
  bench.writeBundle(second);
  // Some of them side by side, so that they are asked for again at once.
  for (const at of [3_000, 9_000, 15_000, 201_000, 399_999]) bench.flip(at);
  for (const at of [21_000, 27_000, 100_000, 390_000]) bench.flip(at, second);
  bench.bus.bundles = [bench.bundle, second];
  assert.equal((await bench.runToEnd()).kind, 'complete');
  assert.ok(await isWhole(bench.pack, bench.transfer));
});

test('a damaged stick is the end only when nothing else could bring the update, and one that is exported again repairs it', async (t) => {
  const alone = await createBench(t, ['offline']);
  alone.writeBundle();
  alone.flip(201_000);
  alone.bus.bundles = [alone.bundle];
  const outcome = await alone.runToEnd();
  assert.ok(outcome.kind === 'failed' && outcome.reason === 'corrupt', inspect(outcome));
  assert.match(
    outcome.detail,
    /^segment 33 of object [0-9a-f]{64} arrived damaged 5 times by offline: export the bundle again/,
  );

  const bench = await createBench(t, ['offline', 'bus']);
  bench.writeBundle();
  bench.flip(201_000);
  bench.bus.bundles = [bench.bundle];
  bench.bus.isOpen = false;
  let times = 0;
  bench.onBrought(() => {
    if (bench.brought.at(-1)?.frame !== 134) return;
    times += 1;
    if (times !== 5) return;
    void repaired();
  });
  /** Once that frame is on disk the stick is spent, and the transfer waits for the hub. */
  async function repaired(): Promise<void> {
    for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
    bench.flip(201_000);
    bench.choice.wake();
    bench.transfer.onBundle();
  }
  await bench.run();
  assert.ok(bench.brought.every(({ carrier }) => carrier === 'offline'));
});

test('storage that redirects, ignores the range, sends another or too much is not believed, and the hub goes on', async (t) => {
  const answers: [string, Parameters<Awaited<ReturnType<typeof createStorage>>['misbehave']>[0]][] = [
    [
      'which is not followed',
      (_range, response) => !!response.writeHead(302, { location: 'https://x/' }).end(),
    ],
    ['not honoured', (_range, response) => !!response.writeHead(200).end('all of it')],
    [
      'another range',
      (_range, response) => !!response.writeHead(206, { 'content-range': 'bytes 1-2/3' }).end('xx'),
    ],
    [
      'more came',
      ({ offset, length }, response) =>
        !!response
          .writeHead(206, { 'content-range': `bytes ${offset}-${offset + length - 1}/9` })
          .end(Buffer.alloc(length + 1)),
    ],
  ];
  for (const [words, misbehave] of answers) {
    const bench = await createBench(t, ['https', 'bus']);
    bench.storage.misbehave(misbehave);
    await bench.run();
    assert.match(bench.changes.find(({ kind }) => kind === 'bus')?.reason ?? '', new RegExp(words));
  }
});
