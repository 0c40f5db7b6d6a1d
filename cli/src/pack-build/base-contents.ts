/** What a device may have already: the contents of the bases that a description names, each by its digest and what it is called. */
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { ChunkListSchema, Codec, type Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { type Content, digestOf } from './content.ts';
import { contentNames } from './content-names.ts';
import { findFiles } from './file-tree.ts';
import { manifestFile, openPack, type PackFolder } from './pack-folder.ts';
import { InvalidInput } from './problem.ts';

export type BaseContent = Content & {
  source: { kind: 'file'; path: string };
  /** Where it is installed, as far as the base tells: paths below an install root, or the name of an image. */
  names: string[];
};

/**
 * The contents of a base, each once: of an earlier pack, of a folder of files as they are installed, or a single file, such as an
 * image. What is compressed in a pack is unpacked below `scratch`. Throws `InvalidInput` for a pack that is damaged.
 */
export async function readBase(path: string, scratch: string, signal: AbortSignal): Promise<BaseContent[]> {
  const found = await stat(path);
  if (found.isFile() && basename(path) !== manifestFile) {
    return [await fileContent(path, [basename(path)], signal)];
  }
  const isPack =
    found.isFile() || (await stat(join(path, manifestFile)).catch(() => undefined)) !== undefined;
  return isPack ? readPack(await openPack(path), scratch, signal) : readFolder(path, signal);
}

async function fileContent(path: string, names: string[], signal: AbortSignal): Promise<BaseContent> {
  const source = { kind: 'file', path } as const;
  return { ...(await digestOf(source, signal, () => undefined)), source, names };
}

async function readFolder(folder: string, signal: AbortSignal): Promise<BaseContent[]> {
  const { files } = await findFiles(resolve(folder), { exclude: [], symlinks: 'skip' });
  const contents = [];
  for (const { path, absolute } of files) contents.push(await fileContent(absolute, [path], signal));
  return contents;
}

async function readPack(pack: PackFolder, scratch: string, signal: AbortSignal): Promise<BaseContent[]> {
  const names = contentNames(pack.manifest);
  await mkdir(scratch, { recursive: true });
  const contents = new Map<string, BaseContent>();
  for (const object of pack.manifest.objects) {
    const lacking = object.contents.some(({ digest }) => !contents.has(hex(digest)));
    if (object.encoding.case === 'delta' || !lacking) continue;
    for (const content of await unpack(object, pack, scratch, signal)) {
      contents.set(content.digest, { ...content, names: names.get(content.digest) ?? [] });
    }
  }
  return [...contents.values()];
}

/** Writes the contents of an object as files, named by their digests, and checks each. */
async function unpack(
  object: ManifestObject,
  pack: PackFolder,
  scratch: string,
  signal: AbortSignal,
): Promise<(Content & { source: { kind: 'file'; path: string } })[]> {
  const pieces = (await decoded(object, pack, signal))[Symbol.asyncIterator]();
  try {
    return await cut(object, pieces, pack, scratch, signal);
  } finally {
    // The last content may end before the pieces are known to have.
    await pieces.return?.();
  }
}

async function cut(
  object: ManifestObject,
  pieces: AsyncIterator<Uint8Array>,
  pack: PackFolder,
  scratch: string,
  signal: AbortSignal,
): ReturnType<typeof unpack> {
  let rest: Uint8Array = new Uint8Array(0);
  const contents = [];
  for (const { digest, size } of object.contents) {
    const path = join(scratch, hex(digest));
    const file = await open(path, 'w');
    try {
      for (let lacking = Number(size); lacking > 0; ) {
        if (rest.length === 0) {
          const piece = await pieces.next();
          if (piece.done === true) break;
          rest = piece.value;
        }
        const part = rest.subarray(0, lacking);
        await file.writeFile(part);
        lacking -= part.length;
        rest = rest.subarray(part.length);
      }
    } finally {
      await file.close();
    }
    const content = await fileContent(path, [], signal);
    if (content.digest !== hex(digest)) {
      const message = `its object ${hex(object.digest)} does not yield ${hex(digest)}: it is damaged`;
      throw new InvalidInput([{ file: pack.folder, field: 'delta_from', message }]);
    }
    contents.push(content);
  }
  return contents;
}

async function decoded(
  { encoding, digest }: ManifestObject,
  pack: PackFolder,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const stored = createReadStream(pack.objectPath(hex(digest)), { signal });
  if (encoding.case === 'chunked') {
    const list = await readFile(pack.objectPath(hex(encoding.value.chunkListDigest)));
    const { groupSizes } = fromBinary(ChunkListSchema, list);
    stored.destroy();
    return groupsOf(pack.objectPath(hex(digest)), groupSizes, encoding.value.codec);
  }
  if (encoding.value?.codec === Codec.NONE) return stored;
  if (encoding.value?.codec !== Codec.ZSTD) {
    stored.destroy();
    const message = `its object ${hex(digest)} is compressed in a way that this version does not make`;
    throw new InvalidInput([{ file: pack.folder, field: 'delta_from', message }]);
  }
  const decoder = createZstdDecompress();
  stored.once('error', (error) => decoder.destroy(error));
  return Readable.from(stored.pipe(decoder)) as AsyncIterable<Uint8Array>;
}

async function* groupsOf(path: string, groupSizes: number[], codec: Codec): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  let position = 0;
  try {
    for (const size of groupSizes) {
      const { buffer } = await file.read(Buffer.alloc(size), 0, size, position);
      position += size;
      yield codec === Codec.NONE ? buffer : zstdDecompressSync(buffer);
    }
  } finally {
    await file.close();
  }
}

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
