/**
 * A pack on disk: `manifest.bin`, its bill of materials `sbom.cdx.json`, and `objects/` with each object under its SHA-256 in lower-case
 * hex.
 */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createPayloadReader, maxManifestBytes } from '@iotdh/proto/payload';
import { type Manifest, ManifestSchema } from '@iotdh/proto/update/v1';
import { InvalidInput } from './problem.ts';

export const manifestFile = 'manifest.bin';
export const objectsFolder = 'objects';
export const sbomFile = 'sbom.cdx.json';
/** A manifest has at most 16 MiB, and each of its files takes some 400 bytes of the bill. */
export const maxSbomBytes = 128 * 1024 * 1024;

/** Reads manifests; the rules are compiled once, which takes a good part of a second. */
export const readManifest = createPayloadReader(ManifestSchema, { maxBytes: maxManifestBytes });

export type PackFolder = {
  folder: string;
  manifest: Manifest;
  manifestBytes: Uint8Array;
  /** SHA-256 of the manifest's bytes, in hex. */
  digest: string;
  /** Its bill of materials; null: it was built without. `digest`: SHA-256 in hex. */
  sbom: { bytes: Uint8Array; digest: string } | null;
  objectPath(digest: string): string;
};

/** The bill as the contract names it. */
export const sbomRef = ({ bytes, digest }: NonNullable<PackFolder['sbom']>) => ({
  digest: Buffer.from(digest, 'hex'),
  size: bytes.length,
});

/** Reads a pack, or a manifest alone. Throws `InvalidInput` when it is none. */
export async function openPack(path: string): Promise<PackFolder> {
  const invalid = (message: string) => new InvalidInput([{ file: path, field: '', message }]);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw invalid('does not exist');
  const folder = found.isDirectory() ? path : join(path, '..');
  const manifestBytes = await readBounded(
    found.isDirectory() ? join(path, manifestFile) : path,
    maxManifestBytes,
  );
  if (manifestBytes === 'missing') throw invalid(`is no pack: it has no ${manifestFile}`);
  const payload =
    manifestBytes === 'too-large' ? { kind: 'too-large' as const } : readManifest(manifestBytes);
  switch (payload.kind) {
    case 'valid':
      return {
        sbom: await readSbom(join(folder, sbomFile), invalid),
        folder,
        manifest: payload.message,
        manifestBytes: manifestBytes as Uint8Array,
        digest: createHash('sha256').update(manifestBytes).digest('hex'),
        objectPath: (digest) => join(folder, objectsFolder, digest),
      };
    case 'invalid':
      throw new InvalidInput(
        payload.violations.map(({ field, message }) => ({ file: path, field, message })),
      );
    case 'too-large':
      throw invalid(`is no manifest: it has more than ${maxManifestBytes} bytes`);
    case 'malformed':
      throw invalid('is no manifest');
  }
}

async function readSbom(
  path: string,
  invalid: (message: string) => InvalidInput,
): Promise<PackFolder['sbom']> {
  const bytes = await readBounded(path, maxSbomBytes);
  if (bytes === 'missing') return null;
  if (bytes === 'too-large') throw invalid(`has a ${sbomFile} of more than ${maxSbomBytes} bytes`);
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') };
}

async function readBounded(path: string, maxBytes: number): Promise<Uint8Array | 'missing' | 'too-large'> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size > maxBytes) return 'too-large';
    return await file.readFile();
  } finally {
    await file.close();
  }
}
