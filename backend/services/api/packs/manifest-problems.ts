/**
 * Reads a manifest as the agent will, before it is kept: the contract's limits, and what they cannot say. Whatever an agent
 * would refuse on a machine is refused here, where its author still is.
 */
import { pathKey } from '@iotdh/proto/paths';
import { createPayloadReader, maxManifestBytes } from '@iotdh/proto/payload';
import {
  Codec,
  type File,
  type FileSet,
  type Manifest,
  type Object$ as ManifestObject,
  ManifestSchema,
} from '@iotdh/proto/update/v1';

export type ReadManifest =
  | { kind: 'read'; manifest: Manifest }
  /** Each names the field that it is with. Never empty. */
  | { kind: 'rejected'; problems: string[] };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

const maxProblems = 100;

export function createManifestReader(): (bytes: Uint8Array) => ReadManifest {
  const read = createPayloadReader(ManifestSchema, { maxBytes: maxManifestBytes });
  return (bytes) => {
    const payload = read(bytes);
    if (payload.kind === 'invalid') {
      const problems = payload.violations.map(({ field, message }) => `${field || 'manifest'}: ${message}`);
      return { kind: 'rejected', problems: problems.slice(0, maxProblems) };
    }
    if (payload.kind !== 'valid') {
      return { kind: 'rejected', problems: ['manifest: the bytes are no encoded iotdh.update.v1.Manifest'] };
    }
    const { message: manifest } = payload;
    const problems = [...objectProblems(manifest), ...closureProblems(manifest), ...pathProblems(manifest)];
    return problems.length === 0
      ? { kind: 'read', manifest }
      : { kind: 'rejected', problems: problems.slice(0, maxProblems) };
  };
}

function* objectProblems({ objects }: Manifest): Generator<string> {
  const sizes = new Map<string, bigint>();
  const seen = new Set<string>();
  for (const [index, object] of objects.entries()) {
    const name = hex(object.digest);
    if (seen.has(name)) yield `objects[${index}]: object ${name} is listed twice`;
    seen.add(name);
    let total = 0n;
    for (const { digest, size } of object.contents) {
      const known = sizes.get(hex(digest));
      if (known !== undefined && known !== size) {
        yield `objects[${index}].contents: content ${hex(digest)} has ${size} bytes here and ${known} elsewhere`;
      }
      sizes.set(hex(digest), size);
      total += size;
    }
    yield* wholeProblems(object, index, total);
  }
}

/** An object that is not compressed is its contents, end to end. */
function* wholeProblems(object: ManifestObject, index: number, contentBytes: bigint): Generator<string> {
  if (object.encoding.case !== 'whole' || object.encoding.value.codec !== Codec.NONE) return;
  if (contentBytes !== object.size) {
    yield `objects[${index}].size: an object that is not compressed has ${object.size} bytes, its contents ${contentBytes}`;
  }
  const [only, ...others] = object.contents;
  if (only !== undefined && others.length === 0 && hex(only.digest) !== hex(object.digest)) {
    yield `objects[${index}].digest: an object that is not compressed has the digest of its only content`;
  }
}

const namesContent = new Set(['iotdh.update.v1.File', 'iotdh.update.v1.Script', 'iotdh.update.v1.Partition']);

/** Every content that is named must be yielded by an object; wherever the contract puts a name, the walk finds it. */
function* closureProblems(manifest: Manifest): Generator<string> {
  const yielded = new Set(
    manifest.objects.flatMap(({ contents }) => contents.map(({ digest }) => hex(digest))),
  );
  const told = new Set<string>();
  const rest: [path: string, value: unknown][] = [['content', manifest.content.value]];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const [path, value] = next;
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) continue;
    const { $typeName, digest } = value as { $typeName?: string; digest?: unknown };
    if ($typeName !== undefined && namesContent.has($typeName) && digest instanceof Uint8Array) {
      const named = hex(digest);
      if (!yielded.has(named) && !told.has(named)) yield `${path}.digest: no object yields ${named}`;
      told.add(named);
    }
    for (const [name, part] of Object.entries(value)) {
      rest.push([Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, part]);
    }
  }
}

function* pathProblems({ content }: Manifest): Generator<string> {
  if (content.case !== 'patch') return;
  for (const { id, kind } of content.value.components) {
    if (kind.case !== 'hostApplication' && kind.case !== 'thirdPartyApplication') continue;
    if (kind.value.files !== undefined) yield* collisions(kind.value.files, `component ${id}`);
  }
}

/** No path twice, and none that is a folder of another. */
function* collisions({ files, removedPaths }: FileSet, where: string): Generator<string> {
  const taken = new Set<string>();
  const paths = [...files.map(({ path }: File) => path), ...removedPaths];
  for (const path of paths) {
    if (taken.has(pathKey(path))) yield `${where}.files: ${path} is there twice`;
    taken.add(pathKey(path));
  }
  for (const path of paths) {
    const parts = pathKey(path).split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (taken.has(folder)) yield `${where}.files: ${folder} is a file and a folder of ${path}`;
    }
  }
}
