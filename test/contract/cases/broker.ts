/** Golden cases of iotdh.broker.v1. */
import {
  AccessRefusedSchema,
  BlobAccessSchema,
  BlobPurpose,
  DeviceCertificateSchema,
  EnrolDeviceRequestSchema,
  EnrolDeviceResponseSchema,
  ErrorInfoSchema,
  ErrorReason,
  IssueBlobAccessRequestSchema,
  IssueBlobAccessResponseSchema,
  RenewCertificateRequestSchema,
  RenewCertificateResponseSchema,
  SigningRequestRejectedSchema,
  TokenProblem,
  TokenRejectedSchema,
} from '@iotdh/proto/broker/v1';
import { cases } from './cases.ts';
import { at, digest, lasting, uuid } from './examples.ts';

const certificate = {
  chain: [new Uint8Array([0x30, 0x03, 0x02, 0x01, 0x01]), new Uint8Array([0x30, 0x00])],
  notBefore: at(0),
  notAfter: at(7_776_000),
};
const signingRequest = new Uint8Array([0x30, 0x00]);
const access = {
  objectDigest: digest(0xb1),
  url: 'https://iotdh.blob.core.windows.net/objects/b1b1?sp=r&sig=not%2Fa%2Fsignature%3D',
  expireTime: at(3600),
};
const way = ': enrol_device.names_the_way';
const enrolled = { deviceId: 'ws-0001', certificate };

export const brokerCases = [
  cases(DeviceCertificateSchema, { full: certificate }),
  cases(
    BlobAccessSchema,
    { full: access },
    { 'url-without-tls': [{ url: 'http://example.net/a' }, 'url: string.prefix'] },
  ),
  cases(EnrolDeviceRequestSchema, {
    full: { enrolmentToken: 'not-a-token-not-a-token-not-a-token', signingRequest },
  }),
  cases(
    EnrolDeviceResponseSchema,
    {
      minimal: { ...enrolled, hubHost: 'hub.azure-devices.net' },
      full: { ...enrolled, provisioningHost: 'localhost:18443', idScope: '0ne00000001' },
    },
    {
      nowhere: [{ provisioningHost: '', idScope: '' }, way],
      'both-ways': [{ hubHost: 'hub.azure-devices.net' }, way],
      'scope-missing': [{ idScope: '' }, way],
      'host-with-path': [{ provisioningHost: 'host/path' }, 'provisioning_host: string.pattern'],
    },
  ),
  cases(RenewCertificateRequestSchema, { full: { signingRequest } }),
  cases(RenewCertificateResponseSchema, { full: { certificate } }),
  cases(IssueBlobAccessRequestSchema, {
    full: {
      purpose: BlobPurpose.READ_OBJECT,
      subjectId: uuid(61),
      objectDigests: [digest(0xb1), digest(0xb2)],
    },
    write: { purpose: BlobPurpose.WRITE_OBJECT, subjectId: uuid(81), objectDigests: [digest(0xb1)] },
    sbom: { purpose: BlobPurpose.READ_SBOM, subjectId: uuid(81), objectDigests: [digest(0xb3)] },
  }),
  cases(IssueBlobAccessResponseSchema, { full: { accesses: [access] } }),
  cases(ErrorInfoSchema, {
    minimal: {},
    full: { reason: ErrorReason.TOKEN_REJECTED, retryable: true, retryDelay: lasting(5) },
  }),
  cases(TokenRejectedSchema, { minimal: {}, full: { problem: TokenProblem.USED } }),
  cases(SigningRequestRejectedSchema, { full: { problem: 'The key has 1,024 bits; 2,048 are needed' } }),
  cases(AccessRefusedSchema, { full: { objectDigest: digest(0xb1) } }),
];
