/** Reads the bytes of a manifest. */
import { createHash } from 'node:crypto';
import { namedContents } from '@iotdh/proto/objects';
import { createPayloadReader, maxManifestBytes } from '@iotdh/proto/payload';
import { type Manifest, ManifestSchema } from '@iotdh/proto/update/v1';
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
  const missing = namedContents(manifest).find((named) => !yielded.has(named));
  if (missing !== undefined) return refused(`no object of the manifest yields ${missing}`);
  return { kind: 'read', manifest };
}
