/** Signs the pack of the benchmark; the metadata are objects beside its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type MetadataFile, MetadataFileSchema, MetadataRole } from '@iotdh/proto/update/v1';
import { createRepository } from '../../trust/src/testing/repository.ts';
import type { Pack } from './pack.ts';

const roles = {
  root: MetadataRole.ROOT,
  targets: MetadataRole.TARGETS,
  snapshot: MetadataRole.SNAPSHOT,
  timestamp: MetadataRole.TIMESTAMP,
};

/** Writes `root.json`, what the agent is to trust, too. With ECDSA keys, as by default in a fleet. */
export async function signPack(folder: string, { manifest, name, version }: Pack): Promise<MetadataFile[]> {
  const repository = await createRepository({ nowMs: Date.now(), keyType: 'ecdsa-p384' });
  const { digest, size } = manifest;
  await repository.publish({ name, version, kind: 'patch', digest: digest.toString('hex'), size });
  writeFileSync(join(folder, 'root.json'), repository.anchor);
  return repository.files().map((file) => {
    writeFileSync(join(folder, file.digest), file.bytes);
    return create(MetadataFileSchema, {
      ...{ role: roles[file.role], version: BigInt(file.version), size: file.size },
      digest: Buffer.from(file.digest, 'hex'),
    });
  });
}
