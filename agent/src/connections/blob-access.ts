/** Asks the authentication broker for the addresses of single objects, as this device: it proves itself by its certificate. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { BlobPurpose, BrokerService } from '@iotdh/proto/broker/v1';
import type { BlobAccess } from '../transfer/carriers/https-carrier.ts';

export type BlobAccessOptions = {
  brokerUrl: string;
  /** The one authority that is trusted, as PEM; null: those of the system. */
  caPem: string | null;
  /** The device's certificate and key, as PEM; null: it has none. */
  identity: () => Promise<{ cert: string; key: string } | null>;
};

export type AskBlobAccess = (
  assignmentId: string,
  objectDigest: Uint8Array,
  signal: AbortSignal,
) => Promise<BlobAccess>;

const callMs = 30_000;
const maxAnswerBytes = 64 * 1024;

/** What does not go away by itself. */
const refusals: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.Unimplemented,
];

export function createBlobAccess({ brokerUrl, caPem, identity }: BlobAccessOptions): AskBlobAccess {
  let client: Client<typeof BrokerService> | undefined;

  async function connect(): Promise<Client<typeof BrokerService> | null> {
    const proof = await identity();
    if (proof === null) return null;
    const { cert, key } = proof;
    const transport = createConnectTransport({
      baseUrl: brokerUrl,
      httpVersion: '1.1',
      readMaxBytes: maxAnswerBytes,
      nodeOptions: { cert, key, ...(caPem !== null && { ca: caPem }) },
    });
    return createClient(BrokerService, transport);
  }

  return async (assignmentId, objectDigest, signal) => {
    client ??= (await connect()) ?? undefined;
    if (client === undefined) return { kind: 'refused', detail: 'this device has no certificate' };
    try {
      const request = {
        purpose: BlobPurpose.READ_OBJECT,
        subjectId: assignmentId,
        objectDigests: [new Uint8Array(objectDigest)],
      };
      const { accesses } = await client.issueBlobAccess(request, { signal, timeoutMs: callMs });
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
