/** Asks the authentication broker for the addresses of single objects, as this device: it proves itself by its certificate. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { BlobPurpose } from '@iotdh/proto/broker/v1';
import { type BrokerOptions, createBrokerClient } from '../enrolment/broker-client.ts';
import type { BlobAccess } from '../transfer/carriers/https-carrier.ts';

export type BlobAccessOptions = BrokerOptions & {
  /** The device's certificate and key of now, as PEM; null: it has none. */
  identity: () => Promise<{ cert: string; key: string } | null>;
};

export type AskBlobAccess = (
  assignmentId: string,
  objectDigest: Uint8Array,
  signal: AbortSignal,
) => Promise<BlobAccess>;

const callMs = 30_000;

/** What does not go away by itself. */
const refusals: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.Unimplemented,
];

export function createBlobAccess({ identity, ...broker }: BlobAccessOptions): AskBlobAccess {
  return async (assignmentId, objectDigest, signal) => {
    const proof = await identity();
    if (proof === null) return { kind: 'refused', detail: 'this device has no certificate' };
    try {
      const request = {
        purpose: BlobPurpose.READ_OBJECT,
        subjectId: assignmentId,
        objectDigests: [new Uint8Array(objectDigest)],
      };
      const { accesses } = await createBrokerClient(broker, proof).issueBlobAccess(request, {
        signal,
        timeoutMs: callMs,
      });
      const [access] = accesses;
      if (access?.expireTime === undefined) return { kind: 'refused', detail: 'the broker gives no address' };
      return { kind: 'granted', url: access.url, expiresAtMs: timestampMs(access.expireTime) };
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      const detail = `the broker says ${Code[code]}: ${rawMessage}`.slice(0, 300);
      return { kind: refusals.includes(code) ? 'refused' : 'unreachable', detail };
    }
  };
}
