/** The host application's side of the agent. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { AgentError } from './agent-error.ts';
import { createCall } from './call.ts';
import { type Connection, type StateChangesOptions, stateChanges } from './changes.ts';
import { type Clock, systemClock } from './clock.ts';
import { type BusyLease, type Ending, takeLease } from './lease.ts';
import { batchesOf } from './log.ts';
import { bytesOf } from './names.ts';
import { consentOf, snapshotOf } from './plain.ts';
import { AgentService, DecisionSchema, type StateSnapshot as StateSnapshotMessage } from './proto.ts';
import type {
  BusyReason,
  Consent,
  Decision,
  LogLine,
  PendingUpdate,
  ProductVersion,
  StateChange,
  StateSnapshot,
  WaitOptions,
} from './types.ts';

export type AgentClientOptions = {
  /** Of the agent's loopback, such as `http://127.0.0.1:7411`. Not needed with a `fetch` that knows where to go. */
  url?: string;
  /** The token of the installation, or what reads it; asked anew for each call, so that it may change. */
  token?: string | (() => string | Promise<string>);
  /** Instead of the global one; `unixSocketFetch` of `@iotdh/sdk/node` for a Unix socket. */
  fetch?: typeof globalThis.fetch;
  /** Instead of all of these; `@iotdh/sdk/testing` has one. */
  transport?: Transport;
  /** How changes come. Default `auto`: by stream, and by polling where streams do not get through. */
  mode?: 'auto' | 'stream' | 'poll';
  /** How long a call may take, in ms, unless it says otherwise. Default 10 s. */
  timeoutMs?: number;
  /** How often the agent shows on a stream that it is alive, 1 s to 60 s, in ms. Default 15 s. */
  heartbeatMs?: number;
  /** Told when the changes come another way than before. */
  onConnection?: (connection: Connection) => void;
  /** For tests. */
  clock?: Clock;
  /** For tests: from 0 up to, not including, 1. */
  random?: () => number;
};

export type BusyOptions = WaitOptions & {
  /** How long the agent stays in BUSY after this process died, 1 s to a day, in ms. Default 60 s. */
  leaseMs?: number;
};

export type ConfirmOptions = WaitOptions & {
  /** What the person was shown, word for word. Default: the update's title and summary. */
  shownText?: string;
};

/** Every call throws an AgentError, or the reason of the caller's signal. */
export type AgentClient = {
  getState(wait?: WaitOptions): Promise<StateSnapshot>;
  /** Ends every hold on BUSY, leases and those of others included: the machine may be serviced. */
  ready(wait?: WaitOptions): Promise<StateSnapshot>;
  /** Holds the agent in BUSY until the lease is released; it renews itself. Refused while an update is applied. */
  busy(reason: string | BusyReason, options?: BusyOptions): Promise<BusyLease>;
  /** Each change once and in order, over restarts of the agent. Throws `out_of_range` where that is impossible. */
  stateChanges(options?: StateChangesOptions): AsyncGenerator<StateChange, void, undefined>;
  /** Passes on what a person decided about the pending update that they were shown. */
  confirm(
    update: Pick<PendingUpdate, 'manifestDigest' | 'kind'>,
    decision: Decision,
    options?: ConfirmOptions,
  ): Promise<Consent>;
  /** Tells which host application runs, at each of its starts. */
  reportVersion(product: ProductVersion, options?: WaitOptions & { parts?: ProductVersion[] }): Promise<void>;
  /** Hands log lines over; durable once this returns. Longer lines are cut. */
  log(lines: LogLine | readonly LogLine[], wait?: WaitOptions): Promise<void>;
};

const defaults = { timeoutMs: 10_000, heartbeatMs: 15_000, leaseMs: 60_000 };

export function createAgentClient(options: AgentClientOptions): AgentClient {
  const { transport = transportOf(options), clock = systemClock, random = Math.random } = options;
  const { timeoutMs = defaults.timeoutMs, heartbeatMs = defaults.heartbeatMs, mode = 'auto' } = options;
  const onConnection = options.onConnection ?? (() => undefined);
  const client = createClient(AgentService, transport);
  const call = createCall({ clock, random, timeoutMs });
  const newId = () => crypto.randomUUID();
  const leases = new Set<Ending>();

  return {
    async getState(wait) {
      const { snapshot } = await call((signal) => client.getState({}, { signal }), wait);
      return required(snapshot);
    },

    async ready(wait) {
      // What the agent ends at this call must not come back by a renewal.
      for (const lease of [...leases]) lease.forget();
      const request = { requestId: newId() };
      const { snapshot } = await call((signal) => client.setReady(request, { signal }), wait);
      return required(snapshot);
    },

    async busy(reason, { leaseMs = defaults.leaseMs, ...wait } = {}) {
      const lease = await takeLease(
        {
          ...{ client, call, clock, newId, leaseMs },
          reason: typeof reason === 'string' ? { text: reason } : reason,
          onEnd: (ended) => leases.delete(ended),
        },
        wait,
      );
      leases.add(lease);
      return lease;
    },

    stateChanges: (how = {}) =>
      stateChanges({ client, call, clock, random, mode, heartbeatMs, onConnection }, how),

    async confirm(update, decision, { shownText = '', ...wait } = {}) {
      const request = {
        manifestDigest: bytesOf(update.manifestDigest),
        person: decision.person,
        decision: decisionOf(decision),
        shownText,
        requestId: newId(),
      };
      const consent = await call(async (signal) => {
        const answer =
          update.kind === 'base'
            ? await client.confirmBase(request, { signal })
            : await client.confirmPatch(request, { signal });
        return answer.consent;
      }, wait);
      if (consent === undefined) throw new AgentError('internal', 'the agent answered without a record');
      return consentOf(consent);
    },

    async reportVersion(product, { parts = [], ...wait } = {}) {
      await call((signal) => client.reportVersion({ product, parts }, { signal }), wait);
    },

    async log(lines, wait) {
      const all = Array.isArray(lines) ? (lines as readonly LogLine[]) : [lines as LogLine];
      for (const entries of batchesOf(all)) {
        const request = { entries, requestId: newId() };
        await call((signal) => client.submitLog(request, { signal }), wait);
      }
    },
  };
}

function required(snapshot: StateSnapshotMessage | undefined): StateSnapshot {
  if (snapshot === undefined) throw new AgentError('internal', 'the agent answered without a snapshot');
  return snapshotOf(snapshot);
}

function decisionOf(decision: Decision) {
  switch (decision.decision) {
    case 'confirm':
      return create(DecisionSchema, { kind: { case: 'confirm', value: {} } });
    case 'postpone': {
      const until = timestampFromDate(decision.until);
      return create(DecisionSchema, { kind: { case: 'postpone', value: { until } } });
    }
    case 'decline': {
      const { reason = '' } = decision;
      return create(DecisionSchema, { kind: { case: 'decline', value: { reason } } });
    }
  }
}

function transportOf({ url, token, fetch }: AgentClientOptions): Transport {
  if (url === undefined && fetch === undefined) {
    throw new AgentError('invalid_argument', 'createAgentClient needs a url, a fetch or a transport');
  }
  const bearing: Interceptor = (next) => async (request) => {
    const bearer = typeof token === 'function' ? await token() : token;
    if (bearer !== undefined) request.header.set('authorization', `Bearer ${bearer.trim()}`);
    return next(request);
  };
  return createConnectTransport({
    baseUrl: url ?? 'http://agent.localhost',
    useBinaryFormat: true,
    interceptors: [bearing],
    ...(fetch && { fetch }),
  });
}
