/** The authentication broker as a service: what it is put together from. Nothing else knows all of its parts. */
import { TLSSocket } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type ContextKey,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect';
import {
  BlobPurpose,
  BrokerService,
  type DeviceCertificate,
  DeviceCertificateSchema,
} from '@iotdh/proto/broker/v1';
import type { Objects } from '../../shared/blobs.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import type { CertificateDocument } from '../../shared/database/collections.ts';
import type { Database } from '../../shared/database/connect.ts';
import { ensureIndexes } from '../../shared/database/indexes.ts';
import type { Hub } from '../../shared/hub.ts';
import { createIdentities } from '../../shared/identities.ts';
import type { Log } from '../../shared/log.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { Operators } from '../../shared/operators.ts';
import { createFailures } from '../../shared/rpc/failures.ts';
import type { Request, TlsOptions } from '../../shared/rpc/listener.ts';
import { createRpcServer } from '../../shared/rpc/server.ts';
import { createSpans } from '../../shared/rpc/spans.ts';
import type { Service } from '../../shared/service.ts';
import type { Tracing } from '../../shared/tracing.ts';
import type { Authority } from './authority.ts';
import { type BlobAccessIssuer, createBlobAccess } from './blob-access.ts';
import { createCertificates, type DeviceCertificates } from './certificates.ts';
import { errorOf, RefusedError, refuse } from './refusal.ts';

export type AuthBrokerOptions = {
  /** Opened by the caller, who closes these after `stop`. */
  database: Pick<Database, 'transact' | 'db' | 'collections'>;
  objects: Objects;
  /** With a policy that may write the registry. */
  hub: Hub;
  /** The hub as devices reach it: host name, and port if it is not 8883. */
  hubHost: string;
  authority: Authority;
  operators: Operators;
  /** 0: any free one. */
  port: number;
  /** Default 127.0.0.1. Another address needs TLS. */
  host?: string;
  /** Without it devices cannot prove themselves by a certificate, so none can be renewed. */
  tls?: Omit<TlsOptions, 'clientCaPem'>;
  log: Log;
  tracing: Tracing;
  metrics: Metrics;
  clock?: Clock;
};

export type AuthBroker = Service & {
  /** The TCP port; throws before `start`. */
  readonly port: number;
  readonly url: string;
};

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);
const secondsBuckets = [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30];
const searchEveryMs = 1000;
/** Of a request for access to a hundred blobs, or of a signing request. */
const readMaxBytes = 64 * 1024;

/** The certificate that the caller has proven, in DER; null: none. */
const presentedKey: ContextKey<Buffer | null> = createContextKey<Buffer | null>(null, {
  description: 'the certificate of the caller',
});

function presentedIn(request: Request) {
  const { socket } = request;
  const values = createContextValues();
  // Of HTTP/2 this is a proxy of the TLS socket, which instanceof sees through.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return values;
  const { raw } = socket.getPeerCertificate();
  return values.set(presentedKey, raw ?? null);
}

/** Throws when it would listen beyond this machine without TLS. */
export function createAuthBroker(options: AuthBrokerOptions): AuthBroker {
  const { database, objects, hub, hubHost, authority, operators, log, tracing, metrics } = options;
  const { host = '127.0.0.1', tls, clock = systemClock } = options;
  if (tls === undefined && !loopback.has(host)) {
    throw new Error(`the broker listens on ${host} only with TLS: give it a certificate and its key`);
  }
  const identities = createIdentities(hub);
  const certificates = createCertificates({ database, identities, authority, clock });
  const blobAccess = createBlobAccess({ collections: database.collections, objects, clock });
  const observe = metrics.histogram('broker_request_seconds', 'How long requests took, by method and code', {
    buckets: secondsBuckets,
    labelNames: ['method', 'code'],
  });
  let problem: string | null = 'not started';
  let cancelSearch = () => {};

  const server = createRpcServer({
    routes: (router) =>
      router.service(BrokerService, serviceOf({ certificates, blobAccess, operators, hubHost })),
    interceptors: [
      createSpans(tracing, (method, code, seconds) => observe(seconds, { method, code: String(code) })),
      createFailures({
        refusalOf: (error) => (error instanceof RefusedError ? errorOf(error.refusal) : null),
        onFailure: (method, error) => log.error('a request failed', { method, error }),
      }),
    ],
    // Each method proves its callers in its own way.
    gate() {},
    contextValues: presentedIn,
    port: options.port,
    host,
    readMaxBytes,
    ...(tls && { tls: { ...tls, clientCaPem: authority.certificatePem } }),
  });

  /** Serves from the beginning, with UNAVAILABLE where something is away, and is ready once nothing is. */
  async function findSurroundings(): Promise<void> {
    try {
      await ensureIndexes(database.db);
      if (!server.stopping.aborted) problem = null;
    } catch (error) {
      if (server.stopping.aborted) return;
      problem = 'the database is away';
      log.warn('the database is not there; looking again', { error });
      cancelSearch = clock.after(searchEveryMs, () => void findSurroundings());
    }
  }

  return {
    name: 'auth-broker',
    async start() {
      await server.start();
      log.info('the authentication broker listens', { url: server.url });
      await findSurroundings();
    },
    async stop() {
      problem = 'stopping';
      cancelSearch();
      await server.stop();
    },
    unready: () => problem,
    get port() {
      return server.port;
    },
    get url() {
      return server.url;
    },
  };
}

type Parts = {
  certificates: DeviceCertificates;
  blobAccess: BlobAccessIssuer;
  operators: Operators;
  hubHost: string;
};

function serviceOf(parts: Parts): ServiceImpl<typeof BrokerService> {
  const { certificates, blobAccess, operators, hubHost } = parts;
  return {
    async enrolDevice({ enrolmentToken, signingRequest }) {
      const issued = await certificates.enrol(enrolmentToken, signingRequest);
      return { deviceId: issued.deviceId, certificate: certificateMessage(issued), hubHost };
    },
    async renewCertificate({ signingRequest }, context) {
      const issued = await certificates.renew(presented(context), signingRequest);
      return { certificate: certificateMessage(issued) };
    },
    async issueBlobAccess({ purpose, subjectId, objectDigests }, context) {
      const digests = objectDigests.map((digest) => Buffer.from(digest).toString('hex'));
      if (purpose === BlobPurpose.WRITE_OBJECT || purpose === BlobPurpose.READ_SBOM) {
        if (operators.authenticate(context.requestHeader.get('authorization')) === null) {
          refuse({ kind: 'unauthenticated', what: 'the bearer token of an operator is missing or unknown' });
        }
        const toDo = purpose === BlobPurpose.WRITE_OBJECT ? blobAccess.toWrite : blobAccess.toReadSbom;
        return { accesses: await toDo(subjectId, digests) };
      }
      const deviceId = await certificates.deviceOf(presented(context));
      return { accesses: await blobAccess.toRead(deviceId, subjectId, digests) };
    },
  };
}

function presented({ values }: HandlerContext): Buffer {
  const what = 'the certificate of the device is missing, or none that the broker issued';
  return values.get(presentedKey) ?? refuse({ kind: 'unauthenticated', what });
}

const certificateMessage = ({ certificate, notBefore, notAfter }: CertificateDocument): DeviceCertificate =>
  create(DeviceCertificateSchema, {
    chain: [certificate.buffer],
    notBefore: timestampFromDate(notBefore),
    notAfter: timestampFromDate(notAfter),
  });
