import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { frameCount, type Layout, segmentBytes, segmentCount } from './layout.ts';
import { openSegmentJournal, type SegmentJournal } from './segment-journal.ts';
import { openSpool, type Spool } from './spool.ts';
import { watchFlushes } from './testing/watch-flushes.ts';

const layout: Layout = { size: 10_000, frameSize: 300, segmentSize: 1_024 };
const content = Buffer.from(
  Array.from({ length: layout.size }, (_, index) => (index * 31 + (index >> 8)) & 0xff),
);
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const segmentDigests = Array.from({ length: segmentCount(layout) }, (_, segment) => {
  const { offset, length } = segmentBytes(layout, segment);
  return sha256(content.subarray(offset, offset + length));
});

type Bench = { folder: string; journal: SegmentJournal; open(changes?: Partial<Layout>): Promise<Spool> };

async function bench(t: TestContext): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-spool-'));
  const journal = openSegmentJournal(join(folder, 'journal.db'));
  t.after(async () => {
    journal.close();
    await rm(folder, { recursive: true });
  });
  return {
    folder,
    journal,
    async open(changes = {}) {
      const spool = await openSpool({
        object: 'abc',
        layout: { ...layout, ...changes },
        segmentDigests,
        path: join(folder, 'abc.part'),
        journal,
      });
      t.after(() => spool.close().catch(() => {}));
      return spool;
    },
  };
}

const frame = (index: number, size = layout.frameSize): [offset: number, data: Buffer] => [
  index * size,
  content.subarray(index * size, (index + 1) * size),
];

function shuffled(count: number, seed: number): number[] {
  let state = seed;
  const keys = Array.from({ length: count }, (_, index) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return [state, index] as const;
  });
  return keys.sort(([a], [b]) => a - b).map(([, index]) => index);
}

test('frames in any order become the object, and count only once they are committed', async (t) => {
  const { open, folder } = await bench(t);
  const spool = await open();
  for (const index of shuffled(frameCount(layout), 7)) {
    const outcome = await spool.accept(...frame(index));
    assert.ok(outcome.kind === 'held' || outcome.kind === 'verified', outcome.kind);
    assert.equal(spool.countedBytes, 0);
  }
  await spool.commit();
  assert.equal(spool.complete, true);
  assert.equal(spool.countedBytes, layout.size);
  assert.deepEqual(await readFile(join(folder, 'abc.part')), content);
});

test('bytes are flushed before they are recorded, and recorded before they count: so no power cut makes a segment of holes count', async (t) => {
  const { open, journal } = await bench(t);
  const flushes = await watchFlushes(t);
  const spool = await open();
  for (let index = 0; index < 8; index += 1) await spool.accept(...frame(index));
  const order: string[] = [];
  flushes.onFlush = () => order.push(`flushed, ${journal.read('abc')?.verified[0] ?? 'nothing'} recorded`);
  await spool.commit();
  order.push(`${spool.countedBytes} counted, ${journal.read('abc')?.verified[0]} recorded`);
  assert.deepEqual(order, ['flushed, nothing recorded', '2048 counted, 3 recorded']);
});

test('a damaged frame spoils its segments only, and those are asked for again', async (t) => {
  const { open } = await bench(t);
  const spool = await open();
  for (let index = 0; index < frameCount(layout); index += 1) {
    const [offset, data] = frame(index);
    const bytes = Buffer.from(data);
    // Frame 5 lies wholly in segment 1, which frames 3 to 6 make up.
    if (index === 5) bytes[0]! ^= 1;
    const outcome = await spool.accept(offset, bytes);
    if (index === 6) assert.deepEqual(outcome, { kind: 'corrupt', segments: [1] });
  }
  await spool.commit();
  assert.equal(spool.complete, false);
  // Segment 2 waits too, for frame 6 belongs to both.
  assert.equal(spool.countedBytes, layout.size - 2 * layout.segmentSize);
  assert.deepEqual([...spool.frames.missing()], [{ first: 3, count: 4 }]);
  for (const index of [6, 4, 3, 5]) await spool.accept(...frame(index));
  await spool.commit();
  assert.equal(spool.complete, true);
});

test('a frame of a verified segment cannot change a byte of it', async (t) => {
  const { open, folder } = await bench(t);
  const spool = await open();
  for (const index of [0, 1, 2, 3]) await spool.accept(...frame(index));
  await spool.commit();
  assert.equal(spool.countedBytes, 1_024);
  assert.deepEqual(await spool.accept(0, Buffer.alloc(300)), { kind: 'duplicate' });
  // Frame 3 is the edge of segments 0 and 1: after segment 1 proved damaged it comes again, wrong this time.
  for (const index of [4, 5]) await spool.accept(...frame(index));
  assert.equal((await spool.accept(6 * 300, Buffer.alloc(300))).kind, 'corrupt');
  assert.equal((await spool.accept(3 * 300, Buffer.alloc(300, 1))).kind, 'held');
  const file = await readFile(join(folder, 'abc.part'));
  assert.deepEqual(file.subarray(0, 1_024), content.subarray(0, 1_024));
});

test('what was committed is there after a crash, what was not is asked for again', async (t) => {
  const { open } = await bench(t);
  const first = await open();
  for (let index = 0; index < 8; index += 1) await first.accept(...frame(index));
  await first.commit();
  for (let index = 8; index < 20; index += 1) await first.accept(...frame(index));
  await first.close();

  const second = await open();
  assert.equal(second.countedBytes, 2_048);
  assert.deepEqual([...second.frames.missing()], [{ first: 6, count: frameCount(layout) - 6 }]);
  for (let index = 6; index < frameCount(layout); index += 1) await second.accept(...frame(index));
  await second.commit();
  assert.equal(second.complete, true);
});

test('segments survive a new offer with frames of another size', async (t) => {
  const { open } = await bench(t);
  const first = await open();
  for (let index = 0; index < 8; index += 1) await first.accept(...frame(index));
  await first.commit();
  await first.close();

  const second = await open({ frameSize: 500 });
  assert.equal(second.countedBytes, 2_048);
  for (let index = 4; index < 20; index += 1) await second.accept(...frame(index, 500));
  await second.commit();
  assert.equal(second.complete, true);
});

test('a record without its file, or of another object, counts for nothing', async (t) => {
  const { open, folder, journal } = await bench(t);
  const first = await open();
  for (let index = 0; index < 8; index += 1) await first.accept(...frame(index));
  await first.commit();
  await first.close();
  await rm(join(folder, 'abc.part'));
  const second = await open();
  assert.equal(second.countedBytes, 0);
  await second.close();
  journal.write('abc', { frameSize: 300, segmentSize: 4_096, size: layout.size, verified: Uint8Array.of(7) });
  const third = await open();
  assert.equal(third.countedBytes, 0);
});

test('a record whose file is gone is not believed of the next one either, though that has not come to a record of its own', async (t) => {
  const { open, folder } = await bench(t);
  for (const lose of [rm, (path: string) => truncate(path, 5_000)]) {
    const first = await open();
    for (let index = 0; index < 8; index += 1) await first.accept(...frame(index));
    await first.commit();
    await first.close();
    await lose(join(folder, 'abc.part'));
    await (await open()).close();
    const third = await open();
    assert.equal(third.countedBytes, 0);
    assert.deepEqual([...third.frames.missing()], [{ first: 0, count: frameCount(layout) }]);
    await third.close();
  }
});

test('what is no frame of this object is refused and written nowhere', async (t) => {
  const { open, folder } = await bench(t);
  const spool = await open();
  assert.deepEqual(await spool.accept(1, content.subarray(1, 301)), { kind: 'misplaced' });
  assert.deepEqual(await spool.accept(layout.size + 200, Buffer.alloc(300)), { kind: 'misplaced' });
  assert.deepEqual(await spool.accept(0, Buffer.alloc(301, 1)), { kind: 'wrong_length' });
  assert.deepEqual(await spool.accept(300, Buffer.alloc(0)), { kind: 'wrong_length' });
  assert.deepEqual(await readFile(join(folder, 'abc.part')), Buffer.alloc(layout.size));
});

test('a journal that cannot be written counts nothing, and the same commit succeeds later', async (t) => {
  const { folder, journal } = await bench(t);
  const disk: { full: boolean } = { full: true };
  const failing: SegmentJournal = {
    ...journal,
    write(object, record) {
      if (disk.full) throw new Error('database or disk is full');
      journal.write(object, record);
    },
  };
  const spool = await openSpool({
    object: 'abc',
    layout,
    segmentDigests,
    path: join(folder, 'abc.part'),
    journal: failing,
  });
  t.after(() => spool.close());
  for (let index = 0; index < 8; index += 1) await spool.accept(...frame(index));
  await assert.rejects(spool.commit(), /disk is full/);
  assert.equal(spool.countedBytes, 0);
  disk.full = false;
  await spool.commit();
  assert.equal(spool.countedBytes, 2_048);
});

test('a journal of a newer agent is refused and left alone', async (t) => {
  const { folder } = await bench(t);
  const path = join(folder, 'newer.db');
  const { DatabaseSync } = await import('node:sqlite');
  const newer = new DatabaseSync(path);
  newer.exec('PRAGMA user_version = 2');
  newer.close();
  const before = await readFile(path);
  assert.throws(() => openSegmentJournal(path), /newer agent \(version 2\)/);
  assert.deepEqual(await readFile(path), before);
});
