/**
 * Decodes objects that are damaged, crafted or bombs. Whatever they are, the answer is a value, no more bytes come out than the manifest
 * says, what is kept has its digest, and the memory does not grow.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eachInput, type FuzzOptions, type FuzzReport } from '../../delta/fuzz/each-input.ts';
import { damage } from '../../delta/fuzz/inputs.ts';
import type { Random } from '../../delta/fuzz/random.ts';
import type { ContentStore } from '../src/transfer/content-store.ts';
import type { ChunkList } from '../src/transfer/decode/chunk-list.ts';
import { readChunkList } from '../src/transfer/decode/chunk-list.ts';
import { decodeChunked } from '../src/transfer/decode/decode-chunked.ts';
import { decodeWhole } from '../src/transfer/decode/decode-whole.ts';
import { createChunkTable } from '../src/transfer/plan/chunk-table.ts';
import { type LocalChunks, localChunks } from '../src/transfer/plan/local-chunks.ts';
import { hex } from '../src/transfer/testing/pack.ts';
import { craftChunkList } from './craft-chunk-list.ts';
import { createDecodeSamples, type DecodeSample } from './decode-samples.ts';

/** How much more memory may be kept than when it began. The resident set says less: it grows with every peak, and shrinks late or never. */
const maxGrowthBytes = 64 * 1024 * 1024;
const memoryInputs = 1_000;

export async function fuzzDecode(folder: string, options: FuzzOptions): Promise<FuzzReport> {
  const { inputs, signal } = options;
  const samples = await createDecodeSamples();
  const report: FuzzReport = { inputs, accepted: 0, refused: 0 };
  const startBytes = await keptBytes();
  await eachInput<void>(options, {
    make() {},
    async judge(_input, random, index) {
      report[(await decodeOne(random, samples, folder, signal)) ? 'accepted' : 'refused'] += 1;
      if ((index + 1) % memoryInputs !== 0 && index + 1 !== inputs) return;
      const growth = (await keptBytes()) - startBytes;
      if (growth > maxGrowthBytes) throw new Error(`${growth} bytes more are kept than at the start`);
    },
    describe: (_input, which) => `decode: ${which}`,
  });
  return report;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is in use once everything is collected that is not: of the heap, and of what it holds elsewhere. */
async function keptBytes(): Promise<number> {
  // What buffers and decoders held is given back a moment after they were collected.
  for (let round = 0; round < 3; round += 1) {
    collectGarbage();
    await new Promise(setImmediate);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Whether it was decoded. */
async function decodeOne(
  random: Random,
  samples: readonly DecodeSample[],
  folder: string,
  signal: AbortSignal,
): Promise<boolean> {
  const sample = random.pick(samples);
  const { object, list: listBytes, content } = sample;
  const { encoding } = object;
  const contents = object.contents.map(({ digest, size }) => ({ digest: hex(digest), size: Number(size) }));
  const path = join(folder, 'object.part');
  const { store, counted } = countingStore();
  const given = { path, contents, store, signal, codec: encoding.value?.codec ?? 0 };
  const bytes = storedBytes(random, sample, random.pick(samples));

  let outcome: { kind: string };
  if (listBytes === null || encoding.case !== 'chunked') {
    writeFileSync(path, bytes);
    outcome = await decodeWhole(given);
  } else {
    const crafted = random.chance(0.3) ? craftChunkList(random, listBytes) : listBytes;
    const read = readChunkList(crafted, object, encoding.value);
    if (read.kind === 'bad') return false;
    const { list } = read;
    const local = localPart(random, list, content, folder);
    // A spool has the length of its object, whatever is in it.
    writeFileSync(
      path,
      Buffer.concat([bytes, Buffer.alloc(Number(object.size))]).subarray(0, Number(object.size)),
    );
    const carries = random.chance(0.7);
    const carryLacking = async () => {
      if (carries) writeFileSync(path, sample.stored);
      return carries;
    };
    outcome = await decodeChunked({ ...given, list, local, carryLacking });
  }

  const most = contents.reduce((sum, { size }) => sum + size, 0);
  if (counted.written > most) throw new Error(`${counted.written} bytes came out of at most ${most}`);
  const names = new Set(contents.map(({ digest }) => digest));
  if ([...counted.kept].some((digest) => !names.has(digest))) throw new Error('it kept what nobody named');
  if (outcome.kind !== 'decoded') return false;
  if (counted.kept.size !== names.size) throw new Error('it was decoded, and not all is there');
  return true;
}

function storedBytes(random: Random, { stored }: DecodeSample, other: DecodeSample): Buffer {
  const kind = random.below(10);
  if (kind < 2) return stored;
  if (kind === 2) return Buffer.concat([stored, other.stored]);
  if (kind === 3) return other.stored;
  return damage(random, stored, other.stored);
}

/** Chunks that were found in a file of this machine, which may have changed since or be gone. */
function localPart(random: Random, list: ChunkList, content: Buffer, folder: string): LocalChunks {
  const path = join(folder, random.chance(0.2) ? 'gone' : 'local');
  const table = createChunkTable();
  let position = 0;
  for (let chunk = 0; chunk < list.chunkCount; chunk += 1) {
    const number = table.add(list.digestOf(chunk));
    if (random.chance(0.5)) table.found(number, 0, position);
    position += list.sizeOf(chunk);
  }
  if (path.endsWith('local'))
    writeFileSync(path, random.chance(0.5) ? content : damage(random, content, content));
  return localChunks(list, table, [path]);
}

/** Keeps no bytes, and counts them. */
function countingStore() {
  const counted = { written: 0, kept: new Set<string>() };
  const store: ContentStore = {
    has: (digest) => counted.kept.has(digest),
    pathOf: (digest) => digest,
    async write(digest) {
      const hash = createHash('sha256');
      return {
        async add(bytes) {
          counted.written += bytes.length;
          hash.update(bytes);
        },
        async finish() {
          const isRight = hash.digest('hex') === digest;
          if (isRight) counted.kept.add(digest);
          return isRight;
        },
        async abandon() {},
      };
    },
  };
  return { store, counted };
}
