/** Hands in a manifest and brings its objects straight to Blob Storage, each with access of its own. What is there is not sent again. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockBlobClient, RestError } from '@azure/storage-blob';
import { BlobPurpose } from '@iotdh/proto/broker/v1';
import type { Pack } from '@iotdh/proto/fleet/v1';
import type { Fleet } from '../connection/fleet.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { hexText } from '../output/words.ts';
import { inParallel } from '../pack-build/in-parallel.ts';
import { type PackFolder, sbomFile, sbomRef } from '../pack-build/pack-folder.ts';
import { InvalidInput } from '../pack-build/problem.ts';
import { type HandedIn, handIn } from '../signing/hand-in.ts';

export type UploadPackOptions = {
  pack: PackFolder;
  fleet: Pick<Fleet, 'packs' | 'broker' | 'trust'>;
  /** Keys that sign the pack before it is published. Empty: it is signed already. */
  keysFolder: string;
  nowMs: () => number;
  /** Whether it is to be assignable afterwards. */
  publish: boolean;
  /** Objects, and blocks of a large object, on their way at once. */
  parallel: number;
  signal: AbortSignal;
  onProgress(doneBytes: number, totalBytes: number): void;
};

export type UploadedPack = { pack: Pack; sentBytes: number; skippedBytes: number; signature: HandedIn };

/**
 * What one request may carry ("Put Blob", from version 2019-12-12 on). Access that permits to create, and not to overwrite, is
 * enough for one; blocks need more.
 */
const maxRequestBytes = 5_000 * 1024 * 1024;
const blockBytes = 64 * 1024 * 1024;
/** Access lasts an hour at most, so it is asked for as it is needed. */
const accessesAtOnce = 16;

type Lacking = { digest: Uint8Array; path: string; bytes: number };

/** Throws a `Failure` or `InvalidInput`; called again, it goes on with what is lacking. */
export async function uploadPack(options: UploadPackOptions): Promise<UploadedPack> {
  const { pack: local, fleet, signal, publish } = options;
  const create = () =>
    fleet.packs.createPack(
      { manifest: local.manifestBytes, ...(local.sbom && { sbom: sbomRef(local.sbom) }) },
      { signal, timeoutMs: 300_000 },
    );
  const created = await create();
  const { pack } = created;
  if (pack === undefined) throw new Failure(exitCode.failed, 'the fleet answered without a pack');
  const lacking = await Promise.all(created.missingObjectDigests.map((digest) => findLocal(local, digest)));
  const totalBytes = lacking.reduce((sum, { bytes }) => sum + bytes, 0);
  const allBytes = local.manifest.objects.reduce((sum, { size }) => sum + Number(size), 0);

  let doneBytes = 0;
  const onBytes = (count: number) => {
    doneBytes += count;
    options.onProgress(doneBytes, totalBytes);
  };
  /** Of objects that the storage did not take although it could be reached, perhaps because somebody else was first. */
  const refusals = new Map<string, Failure>();
  for (let first = 0; first < lacking.length; first += accessesAtOnce) {
    const batch = lacking.slice(first, first + accessesAtOnce);
    const { accesses } = await fleet.broker.issueBlobAccess(
      {
        purpose: BlobPurpose.WRITE_OBJECT,
        subjectId: pack.packId,
        objectDigests: batch.map(({ digest }) => digest),
      },
      { signal },
    );
    const work = batch.map((object, index) => ({ object, url: accesses[index]?.url ?? '' }));
    await inParallel(
      work,
      options.parallel,
      async (one, either) => {
        const refusal = await send(one, options.parallel, either, onBytes);
        if (refusal !== null) refusals.set(hexText(one.object.digest), refusal);
      },
      signal,
    );
  }
  if (refusals.size > 0) {
    for (const digest of (await create()).missingObjectDigests) {
      const refusal = refusals.get(hexText(digest));
      if (refusal !== undefined) throw refusal;
    }
  }
  const sent = { sentBytes: totalBytes, skippedBytes: Math.max(0, allBytes - totalBytes) };
  if (!publish) return { pack, ...sent, signature: { kind: 'nothing' } };
  const { keysFolder, nowMs } = options;
  const signature = await handIn({ trust: fleet.trust, pack: local, keysFolder, nowMs, signal });
  const published = await fleet.packs.publishPack({ packId: pack.packId }, { signal, timeoutMs: 300_000 });
  return { pack: published.pack ?? pack, ...sent, signature };
}

async function findLocal(local: PackFolder, digest: Uint8Array): Promise<Lacking> {
  const isSbom = hexText(digest) === local.sbom?.digest;
  const path = isSbom ? join(local.folder, sbomFile) : local.objectPath(hexText(digest));
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return { digest, path, bytes: found.size };
  throw new InvalidInput([
    { file: local.folder, field: '', message: `lacks its object ${hexText(digest)}; build the pack again` },
  ]);
}

/**
 * Resolves to what the storage said if it may have the object already: access that permits to create says 403 where there is
 * something to overwrite ("UnauthorizedBlobOverwrite"). Throws what is not worth going on after.
 */
async function send(
  { object, url }: { object: Lacking; url: string },
  parallel: number,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Failure | null> {
  await requireWhole(object, signal);
  let sent = 0;
  const advance = (to: number) => {
    if (to > sent) onBytes(to - sent);
    sent = Math.max(sent, to);
  };
  try {
    const blob = new BlockBlobClient(url);
    const shared = {
      abortSignal: signal,
      // An object never changes: whoever was first has written the same bytes.
      conditions: { ifNoneMatch: '*' },
      blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
      onProgress: ({ loadedBytes }: { loadedBytes: number }) => advance(loadedBytes),
    };
    if (object.bytes <= maxRequestBytes) {
      await blob.upload(() => createReadStream(object.path), object.bytes, shared);
    } else {
      await blob.uploadFile(object.path, { ...shared, blockSize: blockBytes, concurrency: parallel });
    }
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    if (error.statusCode === 403) return refused(error, object);
    if (error.statusCode !== 409) throw refused(error, object);
  }
  advance(object.bytes);
  return null;
}

/** What is damaged on this disk is not worth sending: the fleet would not publish it. */
async function requireWhole({ digest, path }: Lacking, signal: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(piece as Uint8Array);
  }
  if (!hash.digest().equals(digest)) {
    throw new InvalidInput([{ file: path, field: '', message: 'is damaged; build the pack again' }]);
  }
}

/** Blob Storage's error, without the address: it holds a signature. */
function refused(error: RestError, { digest }: Lacking): Failure {
  const reached = error.statusCode !== undefined;
  return new Failure(
    reached ? exitCode.failed : exitCode.unreachable,
    `object ${hexText(digest)} was not stored: ${error.code ?? 'no answer'}${reached ? ` (${error.statusCode})` : ''}`,
    { next: 'Upload the pack again: what is there is not sent twice.' },
  );
}
