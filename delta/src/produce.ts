/**
 * Makes deltas. The base, or what a stretch of the output needs of a large one, is indexed by content; the output is read window by
 * window, and worker threads find what each window has in common with the base and encode its segments. The bytes do not depend on
 * how many threads there are.
 */
import { availableParallelism } from 'node:os';
import { createBaseViews } from './base-view.ts';
import { type EncodedSegment, writeEntry } from './encode-segment.ts';
import { type DeltaCodec, defaultSegmentLog, maxSize } from './format.ts';
import { encodeHeader, encodeTrailer } from './header.ts';
import { shapeFor, tableBytes } from './match/block-index.ts';
import type { Reader } from './reader.ts';
import { type PoolWorker, startWorker } from './worker-pool.ts';

export type ProduceOptions = {
  base: Reader;
  output: Reader;
  /** Default zstd. */
  codec?: DeltaCodec;
  /** Of the codec. Default 19 for Zstandard, 11 for Brotli. */
  level?: number;
  /** The most bytes of the base that are in memory at a time. Default 512 MiB. The delta of a larger base depends on it. */
  maxBaseBytes?: number;
  signal?: AbortSignal;
  /** Bytes of output that are encoded. */
  onProgress?(doneBytes: number): void;
};

export type Producer = {
  /** The delta, piece by piece. One at a time. Throws the signal's reason, or what a reader throws. */
  produce(options: ProduceOptions): AsyncGenerator<Uint8Array, void, undefined>;
  /** Ends the threads. */
  close(): Promise<void>;
};

/** 8 MiB: large enough that little is lost where windows meet, small enough that threads share the work evenly. */
const windowBytes = 8 * 2 ** 20;
/** 512 MiB. With an index of as much again, this is what a large base costs in memory. */
const defaultMaxBaseBytes = 2 ** 29;
const defaultLevels = { none: 0, zstd: 19, brotli: 11 } as const;

/** Each thread has up to a quarter of a gigabyte of its own. */
const maxDefaultThreads = 8;

/** Threads are started once and used for each delta. `threads` is as many as the processor has, but at most 8, unless it is said. */
export function createProducer(options: { threads?: number } = {}): Producer {
  const { threads = Math.min(availableParallelism(), maxDefaultThreads) } = options;
  const workers: PoolWorker[] = [];

  async function* produce({
    base,
    output,
    codec = 'zstd',
    level = defaultLevels[codec],
    maxBaseBytes = defaultMaxBaseBytes,
    signal,
    onProgress,
  }: ProduceOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (Math.max(base.size, output.size) > maxSize) throw new RangeError(`larger than ${maxSize} bytes`);
    const segmentBytes = 2 ** defaultSegmentLog;
    const windows = Math.ceil(output.size / windowBytes);
    while (workers.length < Math.min(threads, Math.max(windows, 1))) workers.push(startWorker());
    yield encodeHeader({ codec, segmentBytes, baseSize: base.size, outputSize: output.size });

    const views = await createBaseViews({ base, output, maxBytes: maxBaseBytes, signal });
    const tableMemory = new Int32Array(new SharedArrayBuffer(tableBytes(shapeFor(views.viewBytes))));
    const index = createIndexWriter(segmentBytes, output.size);
    for (let start = 0; start < output.size; start += views.stretchBytes) {
      const end = Math.min(output.size, start + views.stretchBytes);
      const view = await views.load(start, end - start);
      const shape = shapeFor(view.bytes.length);
      const table = tableMemory.subarray(0, tableBytes(shape) / 4).fill(0);
      await workers[0]!.ask({ kind: 'index', base: view.bytes, table, shape });
      const job = { view, table, shape, segmentBytes, codec, level };
      await Promise.all(workers.map((worker) => worker.ask({ kind: 'job', job })));
      for await (const segments of encodeStretch(output, start, end)) {
        signal?.throwIfAborted();
        for (const segment of segments) {
          index.add(segment);
          if (segment.kind !== 'copy') yield segment.stored;
        }
        onProgress?.(index.position());
      }
    }
    const entries = index.bytes();
    yield entries;
    yield encodeTrailer(entries.length);
  }

  /** The segments of one window after another. Each worker has one under way; its next one starts when the oldest is taken. */
  async function* encodeStretch(
    output: Reader,
    start: number,
    end: number,
  ): AsyncGenerator<EncodedSegment[], void, undefined> {
    let next = start;
    const encodeNext = async (worker: PoolWorker, position: number): Promise<EncodedSegment[]> => {
      const bytes = new Uint8Array(new SharedArrayBuffer(Math.min(windowBytes, end - position)));
      await output.read(bytes, position);
      const { segments } = await worker.ask({ kind: 'window', output: bytes, position });
      return segments!;
    };
    const underWay: { worker: PoolWorker; segments: Promise<EncodedSegment[]> }[] = [];
    const startOn = (worker: PoolWorker): void => {
      if (next >= end) return;
      const segments = encodeNext(worker, next);
      next += windowBytes;
      segments.catch(() => undefined);
      underWay.push({ worker, segments });
    };
    for (const worker of workers) startOn(worker);
    for (let oldest = underWay.shift(); oldest !== undefined; oldest = underWay.shift()) {
      const segments = await oldest.segments;
      startOn(oldest.worker);
      yield segments;
    }
  }

  return {
    produce,
    async close() {
      await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    },
  };
}

/** One delta, with threads of its own. */
export async function* produceDelta(
  options: ProduceOptions & { threads?: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const producer = createProducer(options);
  try {
    yield* producer.produce(options);
  } finally {
    await producer.close();
  }
}

function createIndexWriter(segmentBytes: number, outputSize: number) {
  let bytes = new Uint8Array(4_096);
  let end = 0;
  let position = 0;
  let expectedBase = 0;
  return {
    add(segment: EncodedSegment): void {
      if (end + 32 > bytes.length) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      end += writeEntry(bytes.subarray(end), segment, expectedBase);
      const length = Math.min(segmentBytes, outputSize - position);
      position += length;
      expectedBase = (segment.kind === 'copy' ? segment.basePosition : expectedBase) + length;
    },
    position: (): number => position,
    bytes: (): Uint8Array => bytes.subarray(0, end),
  };
}
