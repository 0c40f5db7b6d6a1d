/**
 * Applies deltas that are wrong. Whatever they are, the applier yields what their header promises or throws `DeltaError`; it reads
 * nothing outside the base and the delta, asks the disk no more often than the format allows, and memory does not grow.
 */
import { applyDelta, DeltaError, type Reader } from '../src/apply.ts';
import { maxOperations, maxSegmentLog } from '../src/format.ts';
import { eachInput, FuzzFailure, type FuzzOptions, textOf } from './each-input.ts';
import { bases, damage, inventDelta } from './inputs.ts';
import type { Random } from './random.ts';

/** How many inputs were applied, and how many were refused for which reason. */
export type FuzzReport = {
  inputs: number;
  applied: number;
  refused: Record<string, number>;
  growthBytes: number;
};

/** Node's own heap moves by this much without a leak. */
const maxGrowthBytes = 128 * 2 ** 20;

export async function fuzzDelta(options: FuzzOptions): Promise<FuzzReport> {
  const { inputs } = options;
  const report: FuzzReport = { inputs, applied: 0, refused: {}, growthBytes: 0 };
  let other: Buffer = Buffer.alloc(64);
  let startBytes = 0;

  function deltaFor(random: Random, base: Buffer): Buffer {
    if (random.chance(0.02)) return random.bytes(random.below(200));
    if (random.chance(0.6)) return inventDelta(random, base, random.pick([0, 0.02, 0.1, 0.5]));
    const valid = inventDelta(random, base, 0);
    const damaged = damage(random, valid, other);
    other = valid.length > 0 ? valid : other;
    return damaged;
  }

  await eachInput(options, {
    make(random) {
      const base = random.pick(bases);
      return { base, delta: deltaFor(random, base) };
    },
    async judge({ base, delta }, _random, index) {
      const outcome = await applied(base, delta);
      if (outcome === 'applied') report.applied += 1;
      else report.refused[outcome] = (report.refused[outcome] ?? 0) + 1;
      if (index === Math.ceil(inputs / 10)) startBytes = process.memoryUsage().rss;
    },
    describe: ({ delta }, which) => `${which}, ${textOf(delta)}`,
  });
  report.growthBytes = process.memoryUsage().rss - startBytes;
  if (report.growthBytes > maxGrowthBytes)
    throw new FuzzFailure(`memory grew by ${report.growthBytes} bytes`);
  return report;
}

/** `applied`, or the reason of the refusal. Throws whatever else happens. */
async function applied(base: Buffer, delta: Buffer): Promise<string> {
  const promised = delta.length >= 24 ? Number(delta.readBigUInt64LE(16)) : 0;
  const reads = { count: 0 };
  let yielded = 0;
  let pieces = 0;
  try {
    for await (const piece of applyDelta({
      base: counted(base, reads),
      delta: counted(delta, { count: 0 }),
    })) {
      pieces += 1;
      yielded += piece.length;
      if (piece.length > 2 ** maxSegmentLog || yielded > promised) {
        throw new Error(`${yielded} bytes where ${promised} were promised`);
      }
      if (reads.count > pieces * maxOperations) throw new Error(`${reads.count} reads of the base`);
    }
  } catch (error) {
    if (error instanceof DeltaError) return error.reason;
    throw error;
  }
  if (yielded !== promised) throw new Error(`${yielded} bytes instead of ${promised}`);
  return 'applied';
}

/** Throws for what is not there. */
function counted(bytes: Buffer, reads: { count: number }): Reader {
  return {
    size: bytes.length,
    async read(into, position) {
      reads.count += 1;
      if (position < 0 || !Number.isInteger(position) || position + into.length > bytes.length) {
        throw new RangeError(`${into.length} bytes at ${position} of ${bytes.length}`);
      }
      into.set(bytes.subarray(position, position + into.length));
    },
  };
}
