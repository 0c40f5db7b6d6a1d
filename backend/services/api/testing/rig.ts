/** The API for its tests: a real database, a real hub, real blobs, and real Connect clients over the network. */
import { createHash, randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  AssignmentService,
  AuditService,
  DeviceService,
  EventService,
  LogService,
  PackService,
  PlanService,
  QuotaService,
  TrustService,
} from '@iotdh/proto/fleet/v1';
import { Codec, FileSetMode, type Manifest, ManifestSchema } from '@iotdh/proto/update/v1';
import { createHub } from '../../../shared/hub.ts';
import { silentLog } from '../../../shared/log.ts';
import { createMetrics } from '../../../shared/metrics.ts';
import { createOperators } from '../../../shared/operators.ts';
import type { HubPolicy } from '../../../shared/quota/hub-settings.ts';
import { createTestAuthor, type TestAuthor } from '../../../shared/testing/test-author.ts';
import { type TestDatabase, testDatabase } from '../../../shared/testing/test-database.ts';
import { type TestBlobs, testBlobs, testHubWithBlobs } from '../../../shared/testing/test-hub.ts';
import { createTracing } from '../../../shared/tracing.ts';
import { type Api, type ApiOptions, createApi } from '../api.ts';

export type Protocol = 'connect' | 'grpc' | 'grpc-web';

export type Clients = {
  devices: Client<typeof DeviceService>;
  packs: Client<typeof PackService>;
  assignments: Client<typeof AssignmentService>;
  audit: Client<typeof AuditService>;
  events: Client<typeof EventService>;
  logs: Client<typeof LogService>;
  plans: Client<typeof PlanService>;
  quota: Client<typeof QuotaService>;
  trust: Client<typeof TrustService>;
};

export type ApiRig = Clients & {
  api: Api;
  database: TestDatabase;
  hub: Awaited<ReturnType<typeof testHubWithBlobs>>;
  blobs: TestBlobs;
  author: TestAuthor;
  /** Signs a manifest, so that its pack can be published. */
  sign(manifest: TestManifest): Promise<void>;
  /** Another replica over the same database, hub and blobs. */
  replica(options?: Partial<ApiOptions>): Promise<Api>;
  clients(
    api: Api,
    options?: { token?: string | null; protocol?: Protocol; headers?: Record<string, string> },
  ): Clients;
};

export const testPolicy: HubPolicy = {
  hub: { sku: 'S1', units: 1 },
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};
export const operatorToken = 'operator-token-for-the-tests-0123456789';
export const operatorName = 'ada';

export async function apiRig(t: TestContext): Promise<ApiRig> {
  const [database, hub] = await Promise.all([testDatabase(t), testHubWithBlobs(t)]);
  const blobs = await testBlobs(t, hub);
  const service = createHub({ connectionString: hub.connectionString(), caPem: hub.caPem });
  t.after(() => service.close());
  const tracing = createTracing({ service: 'api' });
  const author = createTestAuthor();

  async function replica(options: Partial<ApiOptions> = {}): Promise<Api> {
    const api = createApi({
      database,
      objects: blobs.objects,
      hub: service,
      operators: createOperators([{ name: operatorName, token: operatorToken }]),
      policy: testPolicy,
      onlineKeys: author.onlineKeys,
      port: 0,
      log: silentLog,
      metrics: createMetrics({ service: 'api' }),
      tracing,
      eventPollMs: 20,
      ...options,
    });
    t.after(() => api.stop());
    await api.start();
    return api;
  }
  const api = await replica();
  const clients = clientsOf(api);
  const sign = ({ bytes, manifest }: TestManifest) => {
    const { name, version, content } = manifest;
    const about = { name, version, digest: sha256(bytes).toString('hex'), size: bytes.length };
    return author.sign(clients.trust, { ...about, kind: content.case === 'base' ? 'base' : 'patch' });
  };
  return { ...clients, api, database, hub, blobs, author, sign, replica, clients: clientsOf };
}

export function clientsOf(
  { url }: { url: string },
  options: { token?: string | null; protocol?: Protocol; headers?: Record<string, string> } = {},
): Clients {
  const { token = operatorToken, protocol = 'connect', headers = {} } = options;
  const withHeaders: Interceptor = (next) => (request) => {
    if (token !== null) request.header.set('authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
  const common = { baseUrl: url.replace('localhost', '127.0.0.1'), interceptors: [withHeaders] };
  const transport =
    protocol === 'grpc'
      ? createGrpcTransport(common)
      : protocol === 'grpc-web'
        ? createGrpcWebTransport({ ...common, httpVersion: '1.1' })
        : createConnectTransport({ ...common, httpVersion: '1.1' });
  return {
    devices: createClient(DeviceService, transport),
    packs: createClient(PackService, transport),
    assignments: createClient(AssignmentService, transport),
    audit: createClient(AuditService, transport),
    events: createClient(EventService, transport),
    logs: createClient(LogService, transport),
    plans: createClient(PlanService, transport),
    quota: createClient(QuotaService, transport),
    trust: createClient(TrustService, transport),
  };
}

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export type TestManifest = { bytes: Uint8Array; manifest: Manifest; content: Buffer };

/** A manifest that a pack can be made of, and the one object that it needs. `change` spoils it. */
export function testManifest(
  options: {
    name?: string;
    version?: string;
    kind?: 'patch' | 'base';
    change?: (manifest: Manifest) => void;
  } = {},
): TestManifest {
  const { name = `pack-${randomUUID()}`, version = '1.0.0', kind = 'patch' } = options;
  const content = Buffer.from(`what ${name} ${version} installs`);
  const digest = sha256(content);
  const size = BigInt(content.length);
  const manifest = create(ManifestSchema, {
    formatVersion: 1,
    name,
    version,
    title: `${name} ${version}`,
    createTime: timestampFromMs(0),
    content:
      kind === 'base'
        ? {
            case: 'base',
            value: { partitions: [{ name: 'system', role: 1, digest, minPartitionBytes: size }] },
          }
        : {
            case: 'patch',
            value: {
              components: [
                {
                  id: 'app',
                  title: 'the application',
                  kind: {
                    case: 'hostApplication',
                    value: {
                      product: { product: 'carto', version },
                      files: { root: 'app', mode: FileSetMode.MERGE, files: [{ path: 'bin/app', digest }] },
                    },
                  },
                  undo: { kind: { case: 'restorePrevious', value: {} } },
                },
              ],
            },
          },
    objects: [
      {
        digest,
        size,
        contents: [{ digest, size }],
        encoding: { case: 'whole', value: { codec: Codec.NONE } },
        segmentSize: 65_536,
        segmentDigests: { case: 'segments', value: { digests: [digest] } },
      },
    ],
  });
  options.change?.(manifest);
  return { bytes: toBinary(ManifestSchema, manifest), manifest, content };
}

/** A published pack's id. */
export async function publishedPack(
  rig: Pick<ApiRig, 'packs' | 'blobs' | 'sign'>,
  options: Parameters<typeof testManifest>[0] = {},
): Promise<string> {
  const made = testManifest(options);
  const { bytes, content } = made;
  await rig.blobs.objects.put(sha256(content).toString('hex'), content);
  const { pack } = await rig.packs.createPack({ manifest: bytes });
  const packId = pack?.packId ?? '';
  await rig.sign(made);
  await rig.packs.publishPack({ packId });
  return packId;
}
