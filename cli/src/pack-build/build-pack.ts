/**
 * Builds a pack from a description: reads, checks, digests, compresses, and puts the folder in its place by one rename, so that
 * there is either a whole pack or none. The same input makes the same bytes.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { maxManifestBytes } from '@iotdh/proto/payload';
import { type Manifest, type Object$ as ManifestObject, ManifestSchema } from '@iotdh/proto/update/v1';
import { addDeltas } from './add-deltas.ts';
import { readBase } from './base-contents.ts';
import { type Content, digestOf } from './content.ts';
import { contentNames } from './content-names.ts';
import type { Draft } from './draft.ts';
import { type GroupLimits, groupContents } from './group-contents.ts';
import { inParallel } from './in-parallel.ts';
import { manifestFile, objectsFolder, openPack, readManifest, sbomFile } from './pack-folder.ts';
import { InvalidInput, type Problem } from './problem.ts';
import { readDescription } from './read-description.ts';
import { copyObject, reusableObjects } from './reuse-objects.ts';
import { sbomOf } from './sbom.ts';
import { writeForms } from './write-forms.ts';
import { maxDescriptionBytes } from './yaml-field.ts';

export type BuildProgress = { phase: 'digest' | 'compress' | 'delta'; doneBytes: number; totalBytes: number };

export type BuildOptions = {
  /** The YAML file; paths in it are relative to its folder. */
  description: string;
  /** Where the pack goes. Default: name-version beside the current folder. */
  folder?: string;
  /** Whether a pack that is there may be replaced. Default false. */
  replace?: boolean;
  /** The manifest's create_time where the description has none. */
  createTime: Date;
  /** Of Zstandard, 1 to 19. Default 9. */
  level?: number;
  /** Folders of earlier packs whose objects are taken over where they still serve. */
  earlier?: readonly string[];
  /** Whether large contents are written as chunks too. Default true. */
  chunked?: boolean;
  limits?: GroupLimits & { maxInlineSegments?: number };
  signal: AbortSignal;
  onProgress?(progress: BuildProgress): void;
};

export type BuiltPack = {
  folder: string;
  manifest: Manifest;
  /** SHA-256 of the manifest in hex: what a person will confirm. */
  digest: string;
  manifestBytes: number;
  /** Of all contents, each once; of all objects; and of those that were taken over. */
  contentBytes: number;
  objectBytes: number;
  reusedBytes: number;
  /** Of the deltas among the objects. */
  deltaBytes: number;
};

/** Throws `InvalidInput` for what the author can put right, and the signal's reason when it is aborted. */
export async function buildPack(options: BuildOptions): Promise<BuiltPack> {
  const { description, signal, createTime } = options;
  const draft = await readDescription({
    text: await readText(description),
    file: resolve(description),
    shownFile: description,
    createTime,
  });
  if (draft.problems.length > 0) throw new InvalidInput(draft.problems);
  const totalBytes = await measure(draft, description);
  requireValid(draft, description);

  const { name, version } = draft.manifest;
  const folder = resolve(options.folder ?? `${name}-${version}`);
  await requireReplaceable(folder, options.replace ?? false);
  const staging = join(dirname(folder), `.${basename(folder)}.building-${randomUUID()}`);
  await mkdir(join(staging, objectsFolder), { recursive: true });
  try {
    const built = await fill(draft, staging, totalBytes, options);
    signal.throwIfAborted();
    await putInPlace(staging, folder);
    return { ...built, folder };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function readText(path: string): Promise<string> {
  const invalid = (message: string) => new InvalidInput([{ file: path, field: '', message }]);
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw invalid(error.code === 'ENOENT' ? 'does not exist' : error.message);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw invalid('is no file: name the description, such as pack.yaml');
    if (found.size > maxDescriptionBytes) throw invalid(`is longer than ${maxDescriptionBytes} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** The size of everything, before anything is read: what is missing or too large is found at once. */
async function measure(draft: Draft, shownFile: string): Promise<number> {
  const problems: Problem[] = [];
  let totalBytes = 0;
  for (const { source, onSize, named } of draft.contents) {
    // Takes the digest's place while the rest is checked.
    named.digest = new Uint8Array(32);
    const found = source.kind === 'text' ? undefined : await stat(source.path).catch(() => undefined);
    if (source.kind === 'file' && !found?.isFile()) {
      const what = found === undefined ? 'does not exist' : 'is no file';
      problems.push({ file: shownFile, field: '', message: `${source.path} ${what}` });
      continue;
    }
    const bytes = source.kind === 'text' ? source.bytes.length : (found?.size ?? 0);
    onSize?.(bytes);
    totalBytes += bytes;
  }
  for (const path of draft.bases) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) {
      problems.push({ file: shownFile, field: 'delta_from', message: `${path} does not exist` });
    }
  }
  problems.push(...draft.problems);
  if (problems.length > 0) throw new InvalidInput(problems);
  return totalBytes;
}

/** Holds the draft to the limits of the contract, and says where in the description it breaks them. */
function requireValid(draft: Draft, shownFile: string): void {
  const bytes = toBinary(ManifestSchema, draft.manifest);
  const payload = readManifest(bytes);
  if (payload.kind === 'valid') return;
  if (payload.kind !== 'invalid') {
    const message = `its manifest would be ${payload.kind}: at most ${maxManifestBytes} bytes, about 100,000 files`;
    throw new InvalidInput([{ file: shownFile, field: '', message }]);
  }
  throw new InvalidInput(
    payload.violations.map(({ field, message }) => {
      const steps = [...field.matchAll(/[a-z_]+|\[(\d+)\]/g)].map(([name, index]) =>
        index === undefined ? name : Number(index),
      );
      const path = steps[0] === 'patch' ? steps.slice(1) : steps;
      return { file: shownFile, ...draft.at(path), field: field.replace(/^patch\./, ''), message };
    }),
  );
}

async function requireReplaceable(folder: string, replace: boolean): Promise<void> {
  const entries: string[] = await readdir(folder).catch(() => []);
  if (entries.length === 0) return;
  const invalid = (message: string) => new InvalidInput([{ file: folder, field: '', message }]);
  if (!entries.includes(manifestFile))
    throw invalid('exists and is no pack; choose another folder with --out');
  if (!replace) throw invalid('exists; --force replaces it');
}

async function fill(
  draft: Draft,
  staging: string,
  totalBytes: number,
  options: BuildOptions,
): Promise<Omit<BuiltPack, 'folder'>> {
  const { signal, level = 9, limits = {}, onProgress = () => undefined } = options;
  const objects = join(staging, objectsFolder);
  const counted = (phase: BuildProgress['phase'], total: number) => {
    let doneBytes = 0;
    return (count: number) => {
      doneBytes += count;
      onProgress({ phase, doneBytes, totalBytes: total });
    };
  };

  const onDigested = counted('digest', totalBytes);
  const contents = await inParallel(
    draft.contents,
    availableParallelism(),
    async ({ source, named }, either) => {
      const content = await digestOf(source, either, onDigested);
      named.digest = Buffer.from(content.digest, 'hex');
      return content;
    },
    signal,
  );

  const byDigest = new Map<string, Content>(contents.map((content) => [content.digest, content]));
  const sizes = new Map([...byDigest].map(([digest, { bytes }]) => [digest, bytes]));
  const earlier = await Promise.all((options.earlier ?? []).map(openPack));
  const reused = reusableObjects(earlier, sizes);
  await inParallel(reused, availableParallelism(), (one, either) => copyObject(one, objects, either), signal);
  const yielded = new Set(
    reused.flatMap(({ object }) => object.contents.map(({ digest }) => Buffer.from(digest).toString('hex'))),
  );

  const rest = contents.filter(({ digest }) => !yielded.has(digest));
  const groups = groupContents(rest, limits);
  const onCompressed = counted(
    'compress',
    groups.flat().reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const { maxInlineSegments } = limits;
  const written = await inParallel(
    groups,
    availableParallelism(),
    (group, either) =>
      writeForms(group, {
        chunked: options.chunked ?? true,
        folder: objects,
        level,
        signal: either,
        onBytes: onCompressed,
        ...(maxInlineSegments !== undefined && { maxInlineSegments }),
      }),
    signal,
  );

  const plain = [...reused.map(({ object }) => object), ...written.flat()];
  const deltas: ManifestObject[] = [];
  const once = [...byDigest.values()];
  const onDelta = counted(
    'delta',
    draft.bases.length * once.reduce((sum, content) => sum + content.bytes, 0),
  );
  const scratch = join(staging, '.bases');
  for (const [index, path] of draft.bases.entries()) {
    const bases = await readBase(path, join(scratch, `${index}`), signal);
    const made = await addDeltas(once, bases, {
      folder: objects,
      level,
      limits,
      names: contentNames(draft.manifest),
      others: plain,
      signal,
      onBytes: onDelta,
      ...(maxInlineSegments !== undefined && { maxInlineSegments }),
    });
    for (const delta of made) {
      if (deltas.every(({ digest }) => Buffer.compare(digest, delta.digest) !== 0)) deltas.push(delta);
    }
    await rm(scratch, { recursive: true, force: true });
  }

  draft.manifest.objects = [...plain, ...deltas];
  requireValid(draft, options.description);
  const bytes = toBinary(ManifestSchema, draft.manifest);
  const digest = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(staging, manifestFile), bytes);
  await writeFile(join(staging, sbomFile), sbomOf(draft.manifest, digest));
  return {
    manifest: draft.manifest,
    digest,
    manifestBytes: bytes.length,
    contentBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    objectBytes: bytesOf(draft.manifest.objects),
    reusedBytes: bytesOf(reused.map(({ object }) => object)),
    deltaBytes: bytesOf(deltas),
  };
}

const bytesOf = (objects: readonly ManifestObject[]): number =>
  objects.reduce((sum, { size }) => sum + Number(size), 0);

/** A folder that is not empty cannot be renamed over, so an earlier pack steps aside first. */
async function putInPlace(staging: string, folder: string): Promise<void> {
  const aside = `${staging}-replaced`;
  const replaced = await rename(folder, aside).then(
    () => true,
    () => false,
  );
  await rename(staging, folder).catch(async (error: unknown) => {
    if (replaced) await rename(aside, folder);
    throw error;
  });
  await rm(aside, { recursive: true, force: true });
}
