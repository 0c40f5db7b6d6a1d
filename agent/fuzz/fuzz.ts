/**
 * Hands the readers of a transfer what is wrong: manifests, lists of chunks, indexes of bundles, frames, objects. Whatever it is, the answer
 * is a value; what is accepted adds up; and no frame changes what has been verified.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mostStoredBytes } from '@iotdh/proto/objects';
import { eachInput, type FuzzOptions, type FuzzReport, textOf } from '../../delta/fuzz/each-input.ts';
import { damage } from '../../delta/fuzz/inputs.ts';
import type { Random } from '../../delta/fuzz/random.ts';
import { readIndex } from '../src/transfer/bundle/read-bundle.ts';
import { readChunkList } from '../src/transfer/decode/chunk-list.ts';
import { readManifest } from '../src/transfer/manifest.ts';
import { createChunkTable } from '../src/transfer/plan/chunk-table.ts';
import { costFromNothing, lackingContents, planObjects } from '../src/transfer/plan/plan.ts';
import { sha256 } from '../src/transfer/testing/pack.ts';
import { craftChunkList } from './craft-chunk-list.ts';
import { fuzzDecode } from './decode.ts';
import { fuzzFrames } from './frames.ts';
import { createSamples, type Samples } from './samples.ts';

export const readers = ['manifest', 'chunk-list', 'bundle-index', 'frames', 'decode'] as const;
export type Reader = (typeof readers)[number];
/** Those that read bytes at once, and not from files. */
type Text = Exclude<Reader, 'frames' | 'decode'>;

/** Throws for an input that breaks what must hold, and names it. */
export async function fuzzTransfer(reader: Reader, options: FuzzOptions): Promise<FuzzReport> {
  if (reader === 'frames') return inFolder((folder) => fuzzFrames(folder, options));
  if (reader === 'decode') return inFolder((folder) => fuzzDecode(folder, options));
  const samples = await createSamples();
  const report: FuzzReport = { inputs: options.inputs, accepted: 0, refused: 0 };
  await eachInput(options, {
    make: (random) => inputFor(reader, random, samples),
    judge(bytes, random) {
      report[accepts[reader](bytes, samples, random) ? 'accepted' : 'refused'] += 1;
    },
    describe: (bytes, which) => `${reader}: ${which}, ${textOf(bytes)}`,
  });
  return report;
}

function inputFor(reader: Text, random: Random, samples: Samples): Buffer {
  if (random.chance(0.02)) return random.bytes(random.below(300));
  const valid = samples[reader];
  if (reader === 'chunk-list' && random.chance(0.3)) return craftChunkList(random, random.pick(valid));
  return damage(random, random.pick(valid), random.pick(valid));
}

const accepts: Record<Text, (bytes: Buffer, samples: Samples, random: Random) => boolean> = {
  manifest(bytes) {
    // Whoever made it has made its digest as well.
    const read = readManifest(bytes, sha256(bytes));
    if (read.kind !== 'read') return false;
    const { manifest } = read;
    const lacking = lackingContents(manifest, () => false);
    const questions = { unusable: () => undefined, hasBase: () => false, knownCost: () => undefined };
    const plan = planObjects({ manifest, isHere: () => false, ...questions });
    if (plan.kind === 'planned') {
      const yielded = new Set(
        plan.objects.flatMap(({ contents }) =>
          contents.map(({ digest }) => Buffer.from(digest).toString('hex')),
        ),
      );
      const left = lacking.find(({ digest }) => !yielded.has(digest));
      if (left !== undefined) throw new Error(`nothing that was planned yields ${left.digest}`);
      if (!Number.isSafeInteger(costFromNothing(manifest))) throw new Error('its bytes cannot be counted');
    }
    return true;
  },
  'chunk-list'(bytes, { chunked }) {
    const { encoding } = chunked;
    if (encoding.case !== 'chunked') throw new Error('the sample is not chunked');
    const read = readChunkList(bytes, chunked, encoding.value);
    if (read.kind === 'bad') return false;
    const { list } = read;
    let [end, offset, contentBytes] = [0, 0, 0];
    for (let index = 0; index < list.groupCount; index += 1) {
      const group = list.group(index);
      if (group.first !== end || group.offset !== offset)
        throw new Error(`group ${index} has a gap before it`);
      let bytesOfChunks = 0;
      for (let chunk = group.first; chunk < group.end; chunk += 1) bytesOfChunks += list.sizeOf(chunk);
      if (bytesOfChunks !== group.contentBytes) throw new Error(`group ${index} does not add up`);
      if (group.storedBytes > mostStoredBytes(group.contentBytes))
        throw new Error(`group ${index} is stored in more than it can take`);
      end = group.end;
      offset += group.storedBytes;
      contentBytes += bytesOfChunks;
    }
    const whole = chunked.contents.reduce((sum, { size }) => sum + Number(size), 0);
    if (end !== list.chunkCount || offset !== Number(chunked.size) || contentBytes !== whole)
      throw new Error('the groups do not cover the object');
    const table = createChunkTable();
    for (let chunk = 0; chunk < list.chunkCount; chunk += 1) table.add(list.digestOf(chunk));
    for (let chunk = 0; chunk < list.chunkCount; chunk += 1) {
      const first = table.indexOf(list.digestOf(chunk));
      if (first < 0 || first > chunk) throw new Error(`chunk ${chunk} is not found by its digest`);
    }
    return true;
  },
  'bundle-index'(bytes) {
    const read = readIndex(bytes);
    if (typeof read === 'string') return false;
    if (read.packs.some(({ manifest }) => manifest?.digest.length !== 32))
      throw new Error('a manifest without a digest');
    return true;
  },
};

async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-fuzz-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
