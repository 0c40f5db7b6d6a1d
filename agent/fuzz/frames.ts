/** Frames that are wrong, among those that are right, into one spool after another. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FuzzFailure, type FuzzOptions, type FuzzReport } from '../../delta/fuzz/each-input.ts';
import { createRandom } from '../../delta/fuzz/random.ts';
import { createBitSet } from '../src/transfer/bit-set.ts';
import { frameCount, segmentBytes, segmentCount } from '../src/transfer/layout.ts';
import { openSegmentJournal } from '../src/transfer/segment-journal.ts';
import { openSpool } from '../src/transfer/spool.ts';
import { bytesOf, sha256 } from '../src/transfer/testing/pack.ts';

const framesOfSpool = 500;

export async function fuzzFrames(folder: string, options: FuzzOptions): Promise<FuzzReport> {
  const { inputs, seed, signal, progress } = options;
  const report: FuzzReport = { inputs, accepted: 0, refused: 0 };
  const journal = openSegmentJournal(join(folder, 'segments.db'));
  try {
    for (let done = 0; done < inputs; done += framesOfSpool) {
      signal.throwIfAborted();
      await fuzzOne(done, Math.min(framesOfSpool, inputs - done));
      if (done % 50_000 === 0 && done > 0) progress?.(done);
    }
  } finally {
    journal.close();
  }
  return report;

  async function fuzzOne(first: number, frames: number): Promise<void> {
    const random = createRandom(seed, first);
    const segmentSize = random.pick([64, 100, 256]);
    const layout = { size: 1 + random.below(4_000), frameSize: random.pick([40, 64, 100, 300]), segmentSize };
    const content = bytesOf(layout.size, random.below(1_000));
    const segmentDigests = Array.from({ length: segmentCount(layout) }, (_, segment) => {
      const { offset, length } = segmentBytes(layout, segment);
      return sha256(content.subarray(offset, offset + length));
    });
    const wanted = createBitSet(segmentCount(layout));
    for (let segment = 0; segment < wanted.size; segment += 1) if (random.chance(0.7)) wanted.add(segment);
    const path = join(folder, 'object.part');
    const object = `object-${first}`;
    const spool = await openSpool({ object, layout, segmentDigests, path, journal, wanted });
    const words = (what: string) => new FuzzFailure(`frames: ${what}, spool ${first} of seed ${seed}`);
    try {
      for (let at = 0; at < frames; at += 1) {
        const frame = random.below(frameCount(layout) + 1);
        const offset = random.chance(0.9)
          ? frame * layout.frameSize
          : random.pick([-1, 0.5, Number.NaN, 2 ** 40, 2 ** 53, random.below(5_000), -layout.frameSize]);
        const right = content.subarray(Math.max(0, offset || 0), Math.max(0, offset || 0) + layout.frameSize);
        const data = random.chance(0.8)
          ? right
          : random.pick([
              Buffer.alloc(0),
              random.bytes(layout.frameSize),
              right.subarray(1),
              random.bytes(5_000),
            ]);
        const { kind } = await spool.accept(offset, data);
        if (kind === 'held' || kind === 'verified') report.accepted += 1;
        else report.refused += 1;
        if (random.chance(0.01)) await spool.commit();
      }
      await spool.commit();
      const found = await readFile(path);
      if (found.length !== layout.size) throw words(`the file has ${found.length} bytes of ${layout.size}`);
      const verified = createBitSet(segmentCount(layout), journal.read(object)?.verified);
      for (let segment = 0; segment < verified.size; segment += 1) {
        if (!verified.has(segment)) continue;
        const { offset, length } = segmentBytes(layout, segment);
        if (!found.subarray(offset, offset + length).equals(content.subarray(offset, offset + length)))
          throw words(`segment ${segment} counts and is not what its digest says`);
      }
      if (spool.complete !== wanted.within(verified)) throw words('it is complete, and is not');
    } finally {
      await spool.close();
      journal.forget(object);
      await rm(path, { force: true });
    }
  }
}
