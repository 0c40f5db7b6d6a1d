/** The contract's TrustService in terms of the repository. */
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { type SigningKey, SigningKeySchema, type TrustService } from '@iotdh/proto/fleet/v1';
import type { MetadataRole } from '@iotdh/proto/update/v1';
import type { Role, Signer } from '@iotdh/trust/author';
import { metadataFileMessage, metadataRoles } from '../../../shared/messages/metadata.ts';
import { refuse } from '../refusal.ts';
import type { Repository } from './repository.ts';

const roleOf = (role: MetadataRole): Role | undefined =>
  (Object.keys(metadataRoles) as Role[]).find((name) => metadataRoles[name] === role);

export const trust = (repository: Repository): ServiceImpl<typeof TrustService> => ({
  async getTrust() {
    const { keys } = repository;
    return {
      files: (await repository.inForce()).map(metadataFileMessage),
      snapshotKey: keyMessage(keys.snapshot),
      timestampKey: keyMessage(keys.timestamp),
    };
  },
  async getMetadata({ role, version }) {
    const name = roleOf(role);
    const found = name && (await repository.file(name, Number(version)));
    if (!found) return refuse({ kind: 'not_found', resource: 'metadata', id: `${name}/${version}` });
    return { file: metadataFileMessage(found.document), metadata: found.bytes };
  },
  async publishMetadata({ roots, targets }) {
    await repository.publish(roots, targets.length === 0 ? null : targets);
    return { files: (await repository.inForce()).map(metadataFileMessage) };
  },
});

function keyMessage({ key }: Signer): SigningKey {
  const { keyID: keyId, keyType, scheme, keyVal } = key;
  return create(SigningKeySchema, { keyId, keyType, scheme, publicKey: String(keyVal.public) });
}
