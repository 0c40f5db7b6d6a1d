/**
 * The agent's local API: AgentService over Connect, gRPC and gRPC-Web, on a Unix socket and on loopback, with HTTP/1.1 and
 * HTTP/2 on both. What it remembers over restarts is in its stores; the machine stays the only truth about the state.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { AgentService, BundleService, type LogEntry, type StateSnapshot } from '@iotdh/proto/agent/v1';
import { createLimits } from '@iotdh/proto/limits';
import type { Update } from '../machine/update.ts';
import { createAnswers } from './answers.ts';
import { createBundleService, type ImportBundle } from './bundle-service.ts';
import type { Clock } from './clock.ts';
import { type Consents, createConsents } from './consents.ts';
import { corsHeaders } from './cors.ts';
import { errorOf } from './errors.ts';
import { type ConsentSigner, createEvidence } from './evidence.ts';
import { createHolds } from './holds.ts';
import { createHostVersion, type HostVersion } from './host-version.ts';
import { createListener, type Handler, type Listener } from './listener.ts';
import { createLock } from './lock.ts';
import { createLogSpool, type LogSpool } from './log-spool.ts';
import { createMoveRecords, type MoveRecords } from './move-records.ts';
import type { AgentMachine, UpdateView } from './port.ts';
import type { Refusal } from './refusal.ts';
import { createService } from './service.ts';
import { createSnapshots } from './snapshots.ts';
import type { LogStore } from './store/open-log-store.ts';
import type { HostStore } from './store/open-store.ts';
import { bears } from './token.ts';
import { listenOnSocket } from './unix-socket.ts';

export type ApiServerOptions = {
  machine: AgentMachine;
  view: UpdateView;
  store: HostStore;
  logStore: LogStore;
  clock: Clock;
  /** Signs the records of what people decide. */
  signer: ConsentSigner;
  /** Takes out of a log line whatever could be patient data. */
  redact: (entry: LogEntry) => LogEntry;
  /** Where to listen; at least one of the two. */
  socket?: { path: string; mode: 0o600 | 0o660 };
  /** `port` 0: any free one. `allowedOrigins`: pages that may call from a browser, such as `http://localhost:5173`. */
  loopback?: { port: number; token: string; allowedOrigins?: readonly string[] };
  /** What the machine lacks for now that the update needs to be applied, in words; null when nothing. Default: nothing. */
  lacks?: (update: Update) => Promise<string | null>;
  /** How far a person may put a decision off, in ms. Default 7 days. */
  maxPostponeMs?: () => number;
  /** How many bytes of log may wait to be sent. Default 32 MiB. */
  maxLogBytes?: number;
  newId?: () => string;
  /** Takes the update of a bundle. Absent: the service is not there. */
  importBundle?: ImportBundle;
  onLogLines?: () => void;
  onHostVersion?: () => void;
  onLeaseEnded?: (leaseId: string) => void;
  /** The records of moves can no longer be made: the journal's disk failed. */
  onFailure: (error: unknown) => void;
};

export type ApiServer = {
  /** Listens. Throws when it cannot, or when there is no room to write down what holds the agent. */
  start(): Promise<void>;
  /** Ends streams and polls with UNAVAILABLE and waits for the other requests, at most 4 s. */
  stop(): Promise<void>;
  /** The TCP port; null without loopback. */
  readonly port: number | null;
  /**
   * For an assignment that the backend withdraws: stops what is under way, by sdk_cmdbusy and sdk_cmdready in the host
   * application's place, and without losing a hold that it takes meanwhile. Returns what refused it, null if nothing did.
   */
  interrupt(): Promise<Refusal | null>;
  /** For the rest of the agent. */
  snapshot(): StateSnapshot;
  readonly consents: Consents;
  readonly records: MoveRecords;
  readonly log: LogSpool;
  readonly hostVersion: HostVersion;
};

/** The largest request: 500 log lines of ordinary length fit many times. */
const maxRequestBytes = 4 * 1024 * 1024;
const stopGraceMs = 4000;

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { view, store, logStore, clock, signer, redact, socket, loopback, onFailure } = options;
  const {
    newId = randomUUID,
    lacks,
    maxPostponeMs,
    maxLogBytes,
    onLogLines,
    onHostVersion,
    onLeaseEnded,
    importBundle,
  } = options;
  const lock = createLock();
  const stopping = new AbortController();

  const records = createMoveRecords({ machine: options.machine, store, view });
  /** With the record of each command's move in the transaction of that move. */
  const machine: AgentMachine = {
    ...options.machine,
    submit: (command, alongside) =>
      options.machine.submit(command, (change) => {
        alongside?.(change);
        if (change !== null) records.within(change);
      }),
  };
  const holds = createHolds({ store, machine, clock, lock, newId, ...(onLeaseEnded && { onLeaseEnded }) });
  const consents = createConsents({
    ...{ store, machine, view, clock, newId },
    evidence: createEvidence({ store, signer, newId }),
    ...(lacks !== undefined && { lacks }),
    ...(maxPostponeMs !== undefined && { maxPostponeMs }),
  });
  const log = createLogSpool({
    ...{ store: logStore, redact },
    ...(maxLogBytes !== undefined && { maxBytes: maxLogBytes }),
    ...(onLogLines && { onLines: onLogLines }),
  });
  const hostVersion = createHostVersion({ store, ...(onHostVersion && { onChange: onHostVersion }) });
  const snapshot = createSnapshots({ machine, view, holds, store, clock });
  const service = createService({
    ...{ machine, view, clock, lock, store, logStore, holds, consents, records, log, hostVersion, snapshot },
    answers: createAnswers({ tables: [store.answers, logStore.answers], clock }),
    stopping: stopping.signal,
  });

  function handler(token: string | null): Handler {
    return connectNodeAdapter({
      routes(router) {
        router.service(AgentService, service);
        if (importBundle !== undefined) router.service(BundleService, createBundleService(importBundle));
      },
      ...createLimits({ readMaxBytes: maxRequestBytes }),
      shutdownSignal: stopping.signal,
      // Before anything of the request is read.
      requestGate({ requestHeader }) {
        if (token !== null && !bears(requestHeader.get('authorization'), token)) {
          throw errorOf({ kind: 'unauthenticated' });
        }
        if (stopping.signal.aborted) throw errorOf({ kind: 'stopping' });
      },
    });
  }

  function withCors(serve: Handler, allowedOrigins: readonly string[]): Handler {
    return (request, response) => {
      // The responses of both versions have these methods, with signatures that TypeScript does not unite.
      const answer = response as ServerResponse;
      for (const [name, value] of Object.entries(corsHeaders(request.headers, allowedOrigins))) {
        answer.setHeader(name, value);
      }
      if (request.method === 'OPTIONS') answer.writeHead(204).end();
      else serve(request, response);
    };
  }

  const onSocket: Listener | null = socket === undefined ? null : createListener(handler(null));
  const onLoopback: Listener | null =
    loopback === undefined
      ? null
      : createListener(withCors(handler(loopback.token), loopback.allowedOrigins ?? []));

  async function start(): Promise<void> {
    if (!holds.start()) throw new Error('the disk is full: what holds the agent cannot be written');
    records.follow(stopping.signal).catch(onFailure);
    if (onSocket !== null && socket !== undefined) {
      await listenOnSocket(onSocket.server, socket.path, socket.mode);
    }
    if (onLoopback !== null && loopback !== undefined) {
      onLoopback.server.listen({ host: '127.0.0.1', port: loopback.port });
      await once(onLoopback.server, 'listening');
    }
  }

  async function stop(): Promise<void> {
    stopping.abort(errorOf({ kind: 'stopping' }));
    holds.stop();
    const listening = [onSocket, onLoopback].filter((listener) => listener?.server.listening === true);
    await Promise.all(listening.map((listener) => listener?.close(stopGraceMs)));
  }

  return {
    start,
    stop,
    get port() {
      const address = onLoopback?.server.address();
      return (address as AddressInfo | null | undefined)?.port ?? null;
    },
    interrupt: () => lock.run(holds.interrupt),
    snapshot,
    consents,
    records,
    log,
    hostVersion,
  };
}
