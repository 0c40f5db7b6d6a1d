/** The signed metadata that a bundle takes along: those that the fleet has in force, proven as a device would before a stick is written. */
import { createHash } from 'node:crypto';
import { type MetadataFile, MetadataRole } from '@iotdh/proto/update/v1';
import { createDeviceTrust, memoryStorage, type Role } from '@iotdh/trust/device';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { TrustClient } from './fleet-metadata.ts';
import { manifestToSign, type PackToSign } from './sign-pack.ts';

export type BundledFile = { file: MetadataFile; bytes: Uint8Array };

/** Of roots, the last so many: what a bundle may hold, and as many as a device follows. */
const maxRoots = 64;

const roleNames: Partial<Record<MetadataRole, Role>> = {
  [MetadataRole.ROOT]: 'root',
  [MetadataRole.TARGETS]: 'targets',
  [MetadataRole.SNAPSHOT]: 'snapshot',
  [MetadataRole.TIMESTAMP]: 'timestamp',
};

export async function metadataForBundle(trust: TrustClient, signal?: AbortSignal): Promise<BundledFile[]> {
  const call = signal && { signal };
  const { files } = await trust.getTrust({}, call);
  const roots = files.filter(({ role }) => role === MetadataRole.ROOT).slice(-maxRoots);
  const bundled: BundledFile[] = [];
  for (const { role, version } of [...roots, ...files.filter((file) => file.role !== MetadataRole.ROOT)]) {
    const { file, metadata } = await trust.getMetadata({ role, version }, call);
    if (file === undefined || !createHash('sha256').update(metadata).digest().equals(file.digest))
      throw new Failure(exitCode.failed, `the fleet's ${roleNames[role]} metadata ${version} are damaged`);
    bundled.push({ file, bytes: metadata });
  }
  return bundled;
}

/** Throws a `Failure` for a pack that no device would take with these. */
export async function requireSigned(
  packs: readonly PackToSign[],
  bundled: readonly BundledFile[],
  nowMs: number,
): Promise<void> {
  const files = bundled.flatMap(({ file, bytes }) => {
    const role = roleNames[file.role];
    return role === undefined ? [] : [{ role, version: Number(file.version), bytes }];
  });
  const anchor = files.find(({ role }) => role === 'root');
  if (anchor === undefined)
    throw new Failure(exitCode.failed, 'this fleet has no root yet, so no device takes anything', {
      next: 'Make keys and a root with: iotdh keys init',
    });
  const trust = createDeviceTrust({
    ...{ storage: memoryStorage(), anchor: anchor.bytes, builtAtMs: nowMs },
    ...{ uptimeMs: () => 0, wallMs: () => nowMs },
  });
  for (const pack of packs) {
    const verdict = await trust.verify(manifestToSign(pack), files, '');
    const { name, version } = pack.manifest;
    if (verdict.kind === 'signed') {
      const { sha256 } = (verdict.custom.sbom ?? {}) as { sha256?: unknown };
      if (sha256 === pack.sbom?.digest) continue;
      throw new Failure(
        exitCode.failed,
        `the bill of materials of ${name}@${version} is not the one that was signed with it`,
        { next: 'Build the pack again: iotdh pack build' },
      );
    }
    const message = `no device would take ${name}@${version} (${verdict.rule}): ${verdict.detail}`;
    throw new Failure(exitCode.failed, message, {
      next: 'Sign it and hand it in: iotdh pack sign, pack upload',
    });
  }
}
