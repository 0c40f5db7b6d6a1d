/** Reads the bytes of a manifest and says which objects have to be carried for it. */
import { createHash } from 'node:crypto';
import { createPayloadReader, maxManifestBytes } from '@iotdh/proto/payload';
import { type Manifest, type Object$ as ManifestObject, ManifestSchema } from '@iotdh/proto/update/v1';
import type { Failure } from './outcome.ts';

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
const refused = (detail: string): Failure => ({ kind: 'failed', reason: 'bad_manifest', detail });

/** The manifest, if its bytes have that digest, keep to the contract and every digest that it names is yielded by an object. */
export function readManifest(
  bytes: Uint8Array,
  digest: Uint8Array,
): { kind: 'read'; manifest: Manifest } | Failure {
  if (!createHash('sha256').update(bytes).digest().equals(digest)) {
    return {
      kind: 'failed',
      reason: 'corrupt',
      detail: `the manifest is not the one of digest ${hex(digest)}`,
    };
  }
  const payload = createPayloadReader(ManifestSchema, { maxBytes: maxManifestBytes })(bytes);
  if (payload.kind === 'invalid') {
    const [first] = payload.violations;
    return refused(`the manifest breaks the contract: ${first?.field} ${first?.message}`);
  }
  if (payload.kind !== 'valid') return refused(`the manifest is ${payload.kind}`);
  const { message: manifest } = payload;
  const yielded = new Set(
    manifest.objects.flatMap(({ contents }) => contents.map((content) => hex(content.digest))),
  );
  const missing = namedDigests(manifest).find((named) => !yielded.has(named));
  if (missing !== undefined) return refused(`no object of the manifest yields ${missing}`);
  return { kind: 'read', manifest };
}

const namesContent = new Set(['iotdh.update.v1.File', 'iotdh.update.v1.Script', 'iotdh.update.v1.Partition']);

/** The contents that files, scripts and partitions name, as hex, each once. */
export function namedDigests(manifest: Manifest): string[] {
  const named = new Set<string>();
  // Wherever the contract puts a file or a script, now or later: the walk follows the messages, not their fields' names.
  const rest: unknown[] = [manifest.content];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next !== 'object' || next === null || next instanceof Uint8Array) continue;
    const { $typeName, digest } = next as { $typeName?: string; digest?: unknown };
    if ($typeName !== undefined && namesContent.has($typeName) && digest instanceof Uint8Array)
      named.add(hex(digest));
    rest.push(...Object.values(next).filter((value) => value !== undefined));
  }
  return [...named];
}

/** The objects to be carried for the contents that are not here, each once and the smallest that will do. */
export function planObjects(
  manifest: Manifest,
  isHere: (content: string) => boolean,
): { kind: 'planned'; objects: ManifestObject[] } | Failure {
  const smallest = new Map<string, ManifestObject>();
  for (const object of manifest.objects) {
    if (object.encoding.case !== 'whole') continue;
    for (const content of object.contents) {
      const known = smallest.get(hex(content.digest));
      if (known === undefined || object.size < known.size) smallest.set(hex(content.digest), object);
    }
  }
  const objects = new Set<ManifestObject>();
  for (const named of namedDigests(manifest)) {
    if (isHere(named)) continue;
    const object = smallest.get(named);
    if (object === undefined) {
      return {
        kind: 'failed',
        reason: 'unsupported',
        detail: `only a delta yields ${named}, and this agent reads none`,
      };
    }
    objects.add(object);
  }
  return { kind: 'planned', objects: [...objects] };
}
