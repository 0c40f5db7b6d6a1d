/**
 * Makes deltas. The base is indexed by content as a whole; the output is read window by window, and worker threads find what each
 * window has in common with the base and encode its segments. The bytes do not depend on how many threads there are.
 */
import { availableParallelism } from 'node:os';
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
const readBytes = 4 * 2 ** 20;
const defaultLevels = { none: 0, zstd: 19, brotli: 11 } as const;

/** Threads are started once and used for each delta. `threads` is as many as the processor has, unless it is said. */
export function createProducer(options: { threads?: number } = {}): Producer {
  const { threads = availableParallelism() } = options;
  const workers: PoolWorker[] = [];

  async function* produce({
    base,
    output,
    codec = 'zstd',
    level = defaultLevels[codec],
    signal,
    onProgress,
  }: ProduceOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (Math.max(base.size, output.size) > maxSize) throw new RangeError(`larger than ${maxSize} bytes`);
    const segmentBytes = 2 ** defaultSegmentLog;
    const windows = Math.ceil(output.size / windowBytes);
    while (workers.length < Math.min(threads, Math.max(windows, 1))) workers.push(startWorker());
    yield encodeHeader({ codec, segmentBytes, baseSize: base.size, outputSize: output.size });

    const baseBytes = await readShared(base, signal);
    const shape = shapeFor(base.size);
    const table = new Int32Array(new SharedArrayBuffer(tableBytes(shape)));
    await workers[0]!.ask({ kind: 'index', base: baseBytes, table, shape });
    const job = { base: baseBytes, table, shape, segmentBytes, codec, level };
    await Promise.all(workers.map((worker) => worker.ask({ kind: 'job', job })));

    const index = createIndexWriter(segmentBytes, output.size);
    let started = 0;
    const encodeNext = async (worker: PoolWorker): Promise<EncodedSegment[]> => {
      const position = started * windowBytes;
      started += 1;
      const bytes = new Uint8Array(new SharedArrayBuffer(Math.min(windowBytes, output.size - position)));
      await output.read(bytes, position);
      const { segments } = await worker.ask({ kind: 'window', output: bytes, position });
      return segments!;
    };
    // Each worker has one window under way; its next one starts when the oldest is taken.
    const underWay: { worker: PoolWorker; segments: Promise<EncodedSegment[]> }[] = [];
    const startOn = (worker: PoolWorker): void => {
      if (started >= windows) return;
      const segments = encodeNext(worker);
      segments.catch(() => undefined);
      underWay.push({ worker, segments });
    };
    for (const worker of workers) startOn(worker);
    for (let done = 0; done < windows; done += 1) {
      const { worker, segments } = underWay.shift()!;
      const encoded = await segments;
      signal?.throwIfAborted();
      startOn(worker);
      for (const segment of encoded) {
        index.add(segment);
        if (segment.kind !== 'copy') yield segment.stored;
      }
      onProgress?.(Math.min(output.size, (done + 1) * windowBytes));
    }
    const entries = index.bytes();
    yield entries;
    yield encodeTrailer(entries.length);
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

/** Memory that every thread sees. */
async function readShared(reader: Reader, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = new Uint8Array(new SharedArrayBuffer(reader.size));
  for (let at = 0; at < bytes.length; at += readBytes) {
    signal?.throwIfAborted();
    await reader.read(bytes.subarray(at, at + readBytes), at);
  }
  return bytes;
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
    bytes: (): Uint8Array => bytes.subarray(0, end),
  };
}
