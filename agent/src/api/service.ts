/** AgentService: each RPC handed to the part that knows, in the contract's words. */
import { create } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  AgentService,
  BusyReasonSchema,
  ConfirmBaseResponseSchema,
  ConfirmPatchResponseSchema,
  PollStateResponseSchema,
  SetBusyResponseSchema,
  SetReadyResponseSchema,
  type StateSnapshot,
  SubmitLogResponseSchema,
} from '@iotdh/proto/agent/v1';
import type { Answers } from './answers.ts';
import type { Clock } from './clock.ts';
import type { Consents } from './consents.ts';
import { errorOf, unwrap } from './errors.ts';
import { cursorFrom } from './from-sequence.ts';
import type { Holds } from './holds.ts';
import type { HostVersion } from './host-version.ts';
import type { Lock } from './lock.ts';
import type { LogSpool } from './log-spool.ts';
import type { MoveRecords } from './move-records.ts';
import { poll } from './poll.ts';
import type { AgentMachine, UpdateView } from './port.ts';
import { done } from './refusal.ts';
import type { LogStore } from './store/open-log-store.ts';
import type { HostStore } from './store/open-store.ts';
import { watch } from './watch.ts';

export type ServiceOptions = {
  machine: AgentMachine;
  view: UpdateView;
  clock: Clock;
  lock: Lock;
  store: HostStore;
  logStore: LogStore;
  answers: Answers;
  holds: Holds;
  consents: Consents;
  records: MoveRecords;
  log: LogSpool;
  hostVersion: HostVersion;
  snapshot: () => StateSnapshot;
  /** Aborted when the server stops: streams and polls then end with UNAVAILABLE. */
  stopping: AbortSignal;
};

/** What the contract says for requests that leave these open. */
const defaultHeartbeatMs = 15_000;
const defaultPollMs = 25_000;
const defaultPollMoves = 100;

export function createService(options: ServiceOptions): ServiceImpl<typeof AgentService> {
  const {
    machine,
    view,
    clock,
    lock,
    store,
    logStore,
    answers,
    holds,
    consents,
    records,
    log,
    hostVersion,
    snapshot,
    stopping,
  } = options;
  const { method } = AgentService;

  return {
    getState: () => ({ snapshot: snapshot() }),

    setReady: (request) =>
      lock.run(async () =>
        unwrap(
          await answers.once(store.answers, method.setReady, request, async (keep) => {
            let response = create(SetReadyResponseSchema);
            const outcome = await holds.release(request.leaseId, () => {
              response = create(SetReadyResponseSchema, { snapshot: snapshot() });
              keep(response);
            });
            return outcome.kind === 'done' ? done(response) : outcome;
          }),
        ),
      ),

    setBusy: (request) =>
      lock.run(async () =>
        unwrap(
          await answers.once(store.answers, method.setBusy, request, async (keep) => {
            const { leaseId, requestId, leaseDuration, reason = create(BusyReasonSchema) } = request;
            const leaseMs = leaseDuration === undefined ? null : durationMs(leaseDuration);
            let response = create(SetBusyResponseSchema);
            const keepHold = (hold: NonNullable<typeof response.hold>) => {
              response = create(SetBusyResponseSchema, { snapshot: snapshot(), hold });
              keep(response);
            };
            const outcome =
              leaseId === '' || leaseMs === null
                ? await holds.take(reason, leaseMs, requestId, keepHold)
                : holds.renew(leaseId, reason, leaseMs, keepHold);
            return outcome.kind === 'done' ? done(response) : outcome;
          }),
        ),
      ),

    async confirmPatch(request) {
      unwrap(await consents.look('patch', request));
      return lock.run(async () =>
        unwrap(
          await answers.once(store.answers, method.confirmPatch, request, async (keep) => {
            let response = create(ConfirmPatchResponseSchema);
            const outcome = await consents.decide('patch', request, (consent) => {
              response = create(ConfirmPatchResponseSchema, { snapshot: snapshot(), consent });
              keep(response);
            });
            return outcome.kind === 'done' ? done(response) : outcome;
          }),
        ),
      );
    },

    async confirmBase(request) {
      unwrap(await consents.look('base', request));
      return lock.run(async () =>
        unwrap(
          await answers.once(store.answers, method.confirmBase, request, async (keep) => {
            let response = create(ConfirmBaseResponseSchema);
            const outcome = await consents.decide('base', request, (consent) => {
              response = create(ConfirmBaseResponseSchema, { snapshot: snapshot(), consent });
              keep(response);
            });
            return outcome.kind === 'done' ? done(response) : outcome;
          }),
        ),
      );
    },

    async *watchState(request, { signal }) {
      const cursor = unwrap(cursorFrom(request, machine));
      const heartbeatMs =
        request.heartbeatInterval === undefined ? defaultHeartbeatMs : durationMs(request.heartbeatInterval);
      yield* watch(cursor, { machine, records, view, clock, heartbeatMs, signal });
      if (stopping.aborted) throw errorOf({ kind: 'stopping' });
    },

    async pollState(request, { signal }) {
      const cursor = unwrap(cursorFrom(request, machine));
      const timeoutMs = request.timeout === undefined ? defaultPollMs : durationMs(request.timeout);
      const maxMoves = request.maxChanges || defaultPollMoves;
      const moves = unwrap(await poll(cursor, { machine, clock, timeoutMs, maxMoves, signal }));
      if (moves.length === 0 && stopping.aborted) throw errorOf({ kind: 'stopping' });
      return create(PollStateResponseSchema, { changes: records.of(moves), snapshot: snapshot() });
    },

    reportVersion(request) {
      unwrap(hostVersion.report(request));
      return {};
    },

    submitLog: (request) =>
      lock.run(async () =>
        unwrap(
          await answers.once(logStore.answers, method.submitLog, request, async (keep) => {
            const response = create(SubmitLogResponseSchema);
            const outcome = log.append(request.entries, () => keep(response));
            return outcome.kind === 'done' ? done(response) : outcome;
          }),
        ),
      ),
  };
}
