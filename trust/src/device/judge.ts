/** Whether trusted metadata vouch for a manifest. */
import { timingSafeEqual } from 'node:crypto';
import { targetPath } from '../format/names.ts';
import { type Refused, refused } from '../format/refusal.ts';
import type { OfferedManifest, Verdict } from './device-trust.ts';
import type { Trusted } from './workflow.ts';

export function judge(trusted: Trusted, manifest: OfferedManifest, wallMs: number): Verdict {
  const { root, timestamp, snapshot, targets } = trusted;
  const path = targetPath(manifest);
  const target = Object.hasOwn(targets.signed.targets, path) ? targets.signed.targets[path] : undefined;
  if (target === undefined) {
    return refused('not_a_target', `targets ${targets.signed.version} do not sign ${path}`);
  }
  const another = (what: string): Refused =>
    refused('another_target', `targets ${targets.signed.version} sign ${path} with another ${what}`);
  if (target.length !== manifest.size) return another('size');
  if (!isDigest(target.hashes.sha256, manifest.digest)) return another('digest');
  if (target.custom.kind !== manifest.kind) return another('kind');
  return {
    kind: 'signed',
    versions: {
      root: root.signed.version,
      timestamp: timestamp.signed.version,
      snapshot: snapshot.signed.version,
      targets: targets.signed.version,
    },
    custom: target.custom,
    doubt: doubt(trusted, wallMs),
  };
}

function isDigest(signed: string | undefined, digest: string): boolean {
  const bytes = Buffer.from(signed ?? '', 'hex');
  return bytes.length === 32 && timingSafeEqual(bytes, Buffer.from(digest, 'hex'));
}

/** The machine's clock cannot lock anybody out, but what it says is told. */
function doubt({ root, timestamp, snapshot, targets }: Trusted, wallMs: number): string | null {
  const over = [timestamp, snapshot, targets, root].find(({ signed }) => signed.isExpired(new Date(wallMs)));
  return over === undefined
    ? null
    : `by this machine's clock the ${over.signed.type} metadata expired at ${over.signed.expires}: the clock is ahead, or newer metadata are withheld`;
}
