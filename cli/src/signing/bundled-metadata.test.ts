/** What is written to a stick is what a device would take from it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { MetadataFileSchema, MetadataRole } from '@iotdh/proto/update/v1';
import { createRepository } from '@iotdh/trust/testing';
import { buildPatch } from '../../../test/main-job/packs.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { type BundledFile, requireSigned } from './bundled-metadata.ts';
import { manifestToSign } from './sign-pack.ts';
import { nowMs } from './testing/fleet.ts';

const roles = {
  root: MetadataRole.ROOT,
  targets: MetadataRole.TARGETS,
  snapshot: MetadataRole.SNAPSHOT,
  timestamp: MetadataRole.TIMESTAMP,
};

test('a pack goes on a stick with the bill of materials that was signed with it, and while its signatures are good', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-bundled-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const made = await buildPatch({ folder, version: '2.0', bytes: 1_000 });
  const pack = await openPack(made.folder);
  const repository = await createRepository({ nowMs });
  const bundled = (): BundledFile[] =>
    repository.files().map(({ role, version, bytes, size }) => ({
      file: create(MetadataFileSchema, { role: roles[role], version: BigInt(version), size }),
      bytes,
    }));
  await repository.publish();
  await assert.rejects(
    requireSigned([pack], bundled(), nowMs),
    /no device would take workstation@2\.0 \(not_a_target\)/,
  );
  await repository.publish(manifestToSign(pack));
  await requireSigned([pack], bundled(), nowMs);
  const later = nowMs + 8 * 86_400_000;
  await assert.rejects(requireSigned([pack], bundled(), later), /\(expired\)/);
  await assert.rejects(requireSigned([pack], [], nowMs), /this fleet has no root yet/);
  writeFileSync(join(made.folder, 'sbom.cdx.json'), '{"components":[]}');
  const altered = await openPack(made.folder);
  for (const one of [altered, { ...pack, sbom: null }])
    await assert.rejects(requireSigned([one], bundled(), nowMs), /is not the one that was signed with it/);
});
