/** Golden cases of iotdh.fleet.v1: signed metadata. */
import {
  GetMetadataRequestSchema,
  GetMetadataResponseSchema,
  GetTrustRequestSchema,
  GetTrustResponseSchema,
  MetadataRejectedSchema,
  PublishMetadataRequestSchema,
  PublishMetadataResponseSchema,
  SigningKeySchema,
} from '@iotdh/proto/fleet/v1';
import { MetadataRole } from '@iotdh/proto/update/v1';
import { cases } from './cases.ts';
import { metadataFile } from './update.ts';

const bytes = new TextEncoder().encode('{"signatures":[],"signed":{}}');
const key = {
  keyId: 'ab'.repeat(32),
  keyType: 'ed25519',
  scheme: 'ed25519',
  publicKey: 'cd'.repeat(32),
};

export const fleetTrustCases = [
  cases(
    SigningKeySchema,
    { full: key },
    { 'id-no-digest': [{ keyId: 'AB'.repeat(32) }, 'key_id: string.pattern'] },
  ),
  cases(GetTrustRequestSchema, { full: {} }),
  cases(GetTrustResponseSchema, {
    minimal: { snapshotKey: key, timestampKey: key },
    full: { files: [metadataFile], snapshotKey: key, timestampKey: key },
  }),
  cases(GetMetadataRequestSchema, {
    minimal: { role: MetadataRole.TIMESTAMP },
    full: { role: MetadataRole.ROOT, version: 3n },
  }),
  cases(GetMetadataResponseSchema, { full: { file: metadataFile, metadata: bytes } }),
  cases(
    PublishMetadataRequestSchema,
    { 'only-targets': { targets: bytes }, full: { roots: [bytes], targets: bytes } },
    { nothing: [{ roots: [], targets: new Uint8Array() }, ': publish_metadata.not_empty'] },
  ),
  cases(PublishMetadataResponseSchema, { full: { files: [metadataFile] } }),
  cases(MetadataRejectedSchema, {
    full: {
      rule: 'unsigned',
      detail: 'targets 4 has 1 of the 2 signatures that root 1 asks for',
    },
  }),
];
