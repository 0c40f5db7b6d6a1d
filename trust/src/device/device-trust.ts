/**
 * What a device asks: which of the offered metadata it lacks, and whether a manifest is signed. The library is loaded when a
 * manifest is to be verified for the first time, because most agents run for months without one.
 */
import { createHash } from 'node:crypto';
import type { Role } from '../format/limits.ts';
import { fileName, type ManifestKind, type ManifestName } from '../format/names.ts';
import type { Refused } from '../format/refusal.ts';
import { openBegun } from './begun.ts';
import { judge } from './judge.ts';
import type { Storage } from './storage.ts';
import { openTrustedTime } from './trusted-time.ts';

/** A metadata file as an offer names it. `digest`: SHA-256 in lower-case hex. */
export type OfferedFile = { role: Role; version: number; digest: string; size: number };

/** One of them, as it was carried. Nothing of it has to be true. */
export type BroughtFile = { role: Role; version: number; bytes: Uint8Array };

/** A manifest as an offer names it. `digest`: SHA-256 in lower-case hex. */
export type OfferedManifest = ManifestName & { kind: ManifestKind; digest: string; size: number };

export type Verdict =
  | {
      kind: 'signed';
      versions: Readonly<Record<Role, number>>;
      /** What was signed with the manifest. */
      custom: Readonly<Record<string, unknown>>;
      /** The machine's clock says that the metadata had expired, and the trusted time does not. Null: they agree. */
      doubt: string | null;
    }
  | Refused;

export type DeviceTrust = {
  /** Those that are not on this disk. Bringing fewer than these makes `verify` refuse. */
  lacking(files: readonly OfferedFile[]): OfferedFile[];
  /**
   * Takes the files in that are newer than what is here, and says whether they sign the manifest. Throws when the disk does.
   * A manifest that was signed when its transfer began is not taken back because metadata run out meanwhile; metadata that
   * come meanwhile do take it back.
   */
  verify(manifest: OfferedManifest, files: readonly BroughtFile[], transferId: string): Promise<Verdict>;
  /** How much trusted time has passed becomes durable. To be called now and then. */
  keepTime(): void;
  /** The trusted time: whatever the machine's clock says, it is at least so late. Milliseconds since 1970. */
  timeMs(): number;
};

export type DeviceTrustOptions = {
  /** For this anchor alone: another one begins with an empty one. */
  storage: Storage;
  /** The first root that is trusted: its bytes. */
  anchor: Uint8Array;
  /** When this program was built, ms since 1970. */
  builtAtMs: number;
  /** Milliseconds of a clock that nobody sets. */
  uptimeMs: () => number;
  /** What the machine's clock says, ms since 1970. It decides nothing. */
  wallMs: () => number;
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const keptName = (role: Role): string => `${role}.json`;

export function createDeviceTrust(options: DeviceTrustOptions): DeviceTrust {
  const { storage, anchor, wallMs } = options;
  const time = openTrustedTime(options);
  const begun = openBegun(storage);

  function versionHere(role: Role): number {
    const bytes = storage.read(keptName(role)) ?? (role === 'root' ? anchor : null);
    try {
      const { signed } = JSON.parse(Buffer.from(bytes ?? []).toString('utf8'));
      return Number.isSafeInteger(signed.version) ? signed.version : 0;
    } catch {
      return 0;
    }
  }

  return {
    lacking(files) {
      const root = versionHere('root');
      const roots = files.filter(({ role, version }) => role === 'root' && version > root);
      const others = files.filter(({ role }) => role !== 'root');
      // Another root may no longer vouch for what is here.
      if (roots.length > 0) return [...roots, ...others];
      // What is older than what is here would be refused, and a medium may no longer have it.
      return others.filter(({ role, version, digest }) => {
        const here = versionHere(role);
        const isOther = () => sha256(storage.read(keptName(role)) ?? Buffer.alloc(0)) !== digest;
        return version > here || (version === here && role !== 'timestamp' && isOther());
      });
    },
    async verify(manifest, files, transferId) {
      const brought = new Map(files.map(({ role, version, bytes }) => [fileName(role, version), bytes]));
      const { runWorkflow } = await import('./workflow.ts');
      const transfer = `${transferId}/${manifest.digest}`;
      const judgesExpiry = !begun.has(transfer);
      const trusted = runWorkflow(
        { storage, anchor, time, judgesExpiry },
        (name) => brought.get(name) ?? null,
      );
      time.keep();
      const verdict = trusted.kind === 'trusted' ? judge(trusted, manifest, wallMs()) : trusted;
      if (verdict.kind === 'signed') begun.add(transfer);
      return verdict;
    },
    keepTime: time.keep,
    timeMs: time.now,
  };
}
