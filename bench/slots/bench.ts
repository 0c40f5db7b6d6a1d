/** An image of many GB into a slot's partition: the memory that takes, beside an image of a hundredth, and the time, beside dd and sha256sum. */
import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../tools/run.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { median, type Row } from '../results.ts';

type Image = { path: string; digest: string; bytes: number };
type Written = { grownBytes: number; ms: number };

const run = promisify(execFile);
const writer = join(root, 'agent/src/slots/testing/write-large-image.ts');
const mebibyte = 2 ** 20;
const largeBytes = 4096 * mebibyte;
const smallBytes = 40 * mebibyte;
/** One piece of data in so many, and holes between them. */
const dataEvery = 16;

async function makeImage(path: string, bytes: number): Promise<Image> {
  const hash = createHash('sha256');
  const hole = Buffer.alloc(mebibyte);
  const data = Buffer.alloc(mebibyte);
  await writeFile(path, '');
  const file = await open(path, 'r+');
  try {
    await file.truncate(bytes);
    for (let at = 0; at < bytes; at += mebibyte) {
      const isData = (at / mebibyte) % dataEvery === 0;
      if (isData) await file.write(randomFillSync(data), 0, mebibyte, at);
      hash.update(isData ? data : hole);
    }
  } finally {
    await file.close();
  }
  return { path, digest: hash.digest('hex'), bytes };
}

async function emptyPartition(path: string, { bytes }: Image): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, '');
  await truncate(path, bytes);
}

async function ours(image: Image, partition: string): Promise<Written> {
  await emptyPartition(partition, image);
  const { stdout } = await run(process.execPath, [writer, image.path, image.digest, partition]);
  const { end, ...written } = JSON.parse(stdout) as Written & { end: { kind: string } };
  if (end.kind !== 'written') throw new Error(`the image was not written: ${stdout}`);
  return written;
}

/** The same in the system's words: copied with its holes, flushed, and read back past the page cache. */
async function peer(image: Image, partition: string): Promise<number> {
  await emptyPartition(partition, image);
  const started = performance.now();
  const copy = `dd if="$1" of="$2" bs=1M conv=sparse,notrunc,fsync status=none && sha256sum "$1"`;
  const back = `dd if="$2" bs=1M iflag=direct status=none | sha256sum`;
  const { stdout } = await run('sh', ['-c', `${copy} && ${back}`, 'sh', image.path, partition]);
  if (stdout.split(image.digest).length !== 3) throw new Error('dd has copied something else');
  return performance.now() - started;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

async function measure({ rounds, quick, progress }: RunOptions): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-slots-'));
  const partition = join(folder, 'partition');
  try {
    const small = await makeImage(join(folder, 'small'), quick ? 2 * mebibyte : smallBytes);
    const large = await makeImage(join(folder, 'large'), quick ? 16 * mebibyte : largeBytes);
    const found: { little: Written; much: Written; peerMs: number }[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const little = await ours(small, partition);
      const much = await ours(large, partition);
      const peerMs = await peer(large, partition);
      progress(`round ${round}: ${megabytes(much.grownBytes)}, ${seconds(much.ms)}; dd ${seconds(peerMs)}`);
      found.push({ little, much, peerMs });
    }
    const of = (figure: (one: (typeof found)[number]) => number) => median(found.map(figure));
    const size = quick ? '16 MiB' : '4 GiB';
    return [
      {
        what: `memory added by writing an image of ${size}, a sixteenth of it data; the peer: by an image of ${quick ? '2' : '40'} MiB`,
        ours: megabytes(of(({ much }) => much.grownBytes)),
        peer: megabytes(of(({ little }) => little.grownBytes)),
        ratio: of(({ much, little }) => much.grownBytes / little.grownBytes),
        goal: 'at most 32 MB',
      },
      {
        what: `time for the image of ${size}: copied, flushed, read back`,
        ours: seconds(of(({ much }) => much.ms)),
        peer: seconds(of(({ peerMs }) => peerMs)),
        ratio: of(({ much, peerMs }) => much.ms / peerMs),
        goal: '–',
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const slotsBench: Bench = {
  title: 'BASE images',
  peer: 'dd with conv=sparse,fsync, sha256sum of the image, and sha256sum of what is read back with iflag=direct',
  run: measure,
};
