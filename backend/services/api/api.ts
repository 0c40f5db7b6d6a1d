/** The API of the fleet as a service: what it is put together from. Nothing else knows all of its parts. */
import { randomUUID } from 'node:crypto';
import type { Objects } from '../../shared/blobs.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Database } from '../../shared/database/connect.ts';
import { ensureIndexes } from '../../shared/database/indexes.ts';
import type { Hub } from '../../shared/hub.ts';
import { createIdentities } from '../../shared/identities.ts';
import type { Log } from '../../shared/log.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { Operators } from '../../shared/operators.ts';
import type { HubPolicy } from '../../shared/quota/hub-settings.ts';
import { createQuotaStore } from '../../shared/quota/quota-store.ts';
import { createFailures } from '../../shared/rpc/failures.ts';
import type { TlsOptions } from '../../shared/rpc/listener.ts';
import { createRpcServer } from '../../shared/rpc/server.ts';
import { createSpans } from '../../shared/rpc/spans.ts';
import type { Service } from '../../shared/service.ts';
import type { Tracing } from '../../shared/tracing.ts';
import { operatorKey } from './caller.ts';
import { errorOf } from './errors.ts';
import { createEventTail } from './events/tail.ts';
import type { Fleet } from './fleet.ts';
import { createManifestReader } from './packs/manifest-problems.ts';
import { createObjectCheck } from './packs/pack-objects.ts';
import { RefusedError } from './refusal.ts';
import { registerServices } from './services.ts';
import type { OnlineKeys } from './trust/online-keys.ts';
import { createRenewal } from './trust/renewal.ts';
import { createRepository } from './trust/repository.ts';

export type ApiOptions = {
  /** Opened by the caller, who closes these after `stop`. */
  database: Pick<Database, 'transact' | 'db' | 'collections' | 'now'>;
  objects: Objects;
  /** With a policy that may write the registry and call devices: `iothubowner`. */
  hub: Hub;
  operators: Operators;
  /** What there is of a hub, and what updates may have of it. */
  policy: HubPolicy;
  /** What the service itself signs with. */
  onlineKeys: OnlineKeys;
  /** 0: any free one. */
  port: number;
  /** Default 127.0.0.1. Another address needs TLS. */
  host?: string;
  tls?: TlsOptions;
  /** Origins of dashboards that may call from a browser. */
  allowedOrigins?: readonly string[];
  log: Log;
  tracing: Tracing;
  metrics: Metrics;
  clock?: Clock;
  newId?: () => string;
  /** How often a stream of events looks for what other replicas did, ms. Default 200. */
  eventPollMs?: number;
};

export type Api = Service & {
  /** The TCP port; throws before `start`. */
  readonly port: number;
  readonly url: string;
};

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);
const searchEveryMs = 1000;
const secondsBuckets = [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30];

/** Throws when it would listen beyond this machine without TLS. */
export function createApi(options: ApiOptions): Api {
  const {
    database,
    objects,
    hub,
    operators,
    log,
    tracing,
    metrics,
    clock = systemClock,
    newId = randomUUID,
  } = options;
  const { host = '127.0.0.1', tls, allowedOrigins = [], eventPollMs } = options;
  if (tls === undefined && !loopback.has(host)) {
    throw new Error(`the API listens on ${host} only with TLS: give it a certificate and its key`);
  }
  const tail = createEventTail({
    collections: database.collections,
    clock,
    ...(eventPollMs !== undefined && { pollMs: eventPollMs }),
    onFailure: (error) => log.warn('events cannot be read; looking again', { error }),
  });
  const repository = createRepository({ database, objects, keys: options.onlineKeys, clock });
  const renewal = createRenewal({ repository, clock, log, metrics });
  const fleet: Fleet = {
    database,
    clock,
    newId,
    identities: createIdentities(hub),
    hub,
    objects,
    policy: options.policy,
    quota: createQuotaStore({ database, random: Math.random }),
    repository,
    onCommit: tail.nudge,
  };
  const intake = { readManifest: createManifestReader(), check: createObjectCheck(objects) };
  const observe = metrics.histogram('api_request_seconds', 'How long requests took, by method and code', {
    buckets: secondsBuckets,
    labelNames: ['method', 'code'],
  });
  let problem: string | null = 'not started';

  const server = createRpcServer({
    routes: (router) => registerServices(router, { fleet, intake, tail }),
    interceptors: [
      createSpans(tracing, (method, code, seconds) => observe(seconds, { method, code: String(code) })),
      createFailures({
        refusalOf: (error) => (error instanceof RefusedError ? errorOf(error.refusal) : null),
        onFailure: (method, error) => log.error('a request failed', { method, error }),
      }),
    ],
    gate({ values, requestHeader }) {
      const operator = operators.authenticate(requestHeader.get('authorization'));
      if (operator === null) throw errorOf({ kind: 'unauthenticated' });
      values.set(operatorKey, operator);
    },
    port: options.port,
    host,
    ...(tls && { tls }),
    allowedOrigins,
  });

  /** Serves from the beginning, with UNAVAILABLE where something is away, and is ready once nothing is. */
  let cancelSearch = () => {};
  async function findSurroundings(): Promise<void> {
    try {
      await ensureIndexes(database.db);
      await objects.prepare();
      if (server.stopping.aborted) return;
      problem = null;
      renewal.start();
    } catch (error) {
      if (server.stopping.aborted) return;
      problem = 'the database or Blob Storage is away';
      log.warn('the surroundings are not there; looking again', { error });
      cancelSearch = clock.after(searchEveryMs, () => void findSurroundings());
    }
  }

  return {
    name: 'api',
    async start() {
      tail.start();
      await server.start();
      log.info('the API listens', { url: server.url });
      await findSurroundings();
    },
    async stop() {
      problem = 'stopping';
      cancelSearch();
      renewal.stop();
      await server.stop();
      tail.stop();
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
