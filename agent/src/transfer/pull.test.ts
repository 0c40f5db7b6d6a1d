import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Frame, type FrameRequest, FrameSchema } from '@iotdh/proto/bus/v1';
import type { Clock } from './clock.ts';
import { type Layout, segmentBytes, segmentCount } from './layout.ts';
import { createPull } from './pull.ts';
import { openSegmentJournal } from './segment-journal.ts';
import { openSpool } from './spool.ts';
import { temporaryFolder, transferId } from './testing/bench.ts';
import { framesOf } from './testing/cloud.ts';
import { bytesOf, sha256 } from './testing/pack.ts';

const layout: Layout = { size: 40_000, frameSize: 256, segmentSize: 1_024 };
const content = bytesOf(layout.size, 5);

/** A clock that moves when it is told to, and by `readingMs` with each reading; its timers fire a little early, as those of Node may. */
function createManualClock(readingMs: number): Clock & { advance(ms: number): void } {
  let nowMs = 1_000;
  const timers = new Set<{ dueMs: number; callback(): void }>();
  return {
    now: () => nowMs,
    monotonicMs() {
      const before = nowMs;
      nowMs += readingMs;
      return before;
    },
    after(ms, callback) {
      const timer = { dueMs: nowMs + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= nowMs + 3 * readingMs)) {
        timers.delete(timer);
        timer.callback();
      }
    },
  };
}

async function bench(t: TestContext, { readingMs = 0, isOffline = (): boolean => false } = {}) {
  const folder = temporaryFolder(t);
  const journal = openSegmentJournal(`${folder}/segments.db`);
  const segmentDigests = Array.from({ length: segmentCount(layout) }, (_, segment) => {
    const { offset, length } = segmentBytes(layout, segment);
    return sha256(content.subarray(offset, offset + length));
  });
  const spool = await openSpool({ object: 'o', layout, segmentDigests, path: `${folder}/o.part`, journal });
  const clock = createManualClock(readingMs);
  const requests: FrameRequest[] = [];
  const commits: number[] = [];
  let taken = 0;
  const abort = new AbortController();
  const pull = createPull({
    transferId,
    objectDigest: sha256(content),
    spool,
    clock,
    random: () => 0,
    signal: abort.signal,
    source: {
      async ask(request) {
        requests.push(request);
        return { kind: isOffline() ? 'offline' : 'sent' };
      },
    },
    receivedBytes: () => spool.countedBytes,
    onTaken: () => {
      taken += 1;
    },
    onCommitted: () => commits.push(spool.countedBytes),
  });
  const running = pull.run();
  t.after(async () => {
    abort.abort();
    await running;
    await spool.close();
    journal.close();
  });
  const frame = (index: number): Frame =>
    create(FrameSchema, {
      transferId,
      objectDigest: sha256(content),
      offset: BigInt(index * layout.frameSize),
      data: content.subarray(index * layout.frameSize, (index + 1) * layout.frameSize),
    });
  const deliver = (...frames: number[]) =>
    Promise.all(frames.map((index) => pull.onFrame(frame(index), 'bus')));
  /** Until so many frames are on disk: how many turns that takes is the machine's business. */
  const written = async (frames: number) => {
    while (taken < frames) await settle();
  };
  return { clock, requests, commits, deliver, written };
}

/** Lets what is due now happen: file operations take turns of their own. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

test('what is verified counts half a second after the first frame that is not flushed yet', async (t) => {
  const { clock, commits, deliver, written } = await bench(t);
  await deliver(0, 1, 2, 3, 4);
  await written(5);
  clock.advance(499);
  await settle();
  assert.deepEqual(commits, []);
  clock.advance(1);
  while (commits.length === 0) await settle();
  assert.deepEqual(commits, [1_024]);
});

test('sixty-four frames are flushed together, whatever the time', async (t) => {
  const { commits, deliver, written } = await bench(t);
  await deliver(...Array.from({ length: 63 }, (_, index) => index));
  await written(63);
  await settle();
  assert.deepEqual(commits, []);
  await deliver(63);
  while (commits.length === 0) await settle();
  assert.deepEqual(commits, [16_384]);
});

test('a quarter of a window that has come is asked for anew, and the request says how much counts', async (t) => {
  const { clock, requests, deliver, written, commits } = await bench(t);
  await deliver(...Array.from({ length: 8 }, (_, index) => index));
  while (requests.length < 2) await settle();
  assert.deepEqual(
    framesOf(requests[0]!),
    Array.from({ length: 32 }, (_, index) => index),
  );
  assert.deepEqual(
    framesOf(requests[1]!),
    Array.from({ length: 8 }, (_, index) => 32 + index),
  );
  assert.equal(Number(requests[1]!.receivedBytes), 0, 'nothing counts before it is flushed');
  await deliver(...Array.from({ length: 8 }, (_, index) => 8 + index));
  while (requests.length < 3) await settle();
  await written(16);
  clock.advance(500);
  while (commits.length < 1) await settle();
  await deliver(...Array.from({ length: 8 }, (_, index) => 16 + index));
  while (requests.length < 4) await settle();
  assert.equal(Number(requests[3]!.receivedBytes), commits[0]);
});

test('when nothing comes, the same frames are asked for after ten seconds, then after twenty', async (t) => {
  const { clock, requests } = await bench(t);
  await settle();
  for (const [waitMs, expected] of [
    [9_999, 1],
    [1, 2],
    [19_999, 2],
    [1, 3],
  ] as const) {
    clock.advance(waitMs);
    await settle();
    assert.equal(requests.length, expected);
  }
  assert.deepEqual(framesOf(requests[2]!), framesOf(requests[0]!));
});

test('the moment to ask again is not missed when it passes while the clock is read', async (t) => {
  let offline = true;
  const { clock, requests } = await bench(t, { readingMs: 0.5, isOffline: () => offline });
  await settle();
  assert.equal(requests.length, 1);
  offline = false;
  clock.advance(990);
  for (let turn = 0; turn < 500 && requests.length === 1; turn += 1) {
    clock.advance(0.1);
    await settle();
  }
  assert.equal(requests.length, 2);
});
