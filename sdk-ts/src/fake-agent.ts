/**
 * `@iotdh/sdk/testing`: an agent in memory for the tests of host applications. It refuses what the real one refuses, and
 * does nothing by itself: a test offers an update, lets the apply succeed or fail, and cuts the connection.
 */
import { create } from '@bufbuild/protobuf';
import { durationMs, timestampFromDate, timestampFromMs, timestampNow } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createRouterTransport, type Transport } from '@connectrpc/connect';
import { bytesOf, hexOf, nameOfState } from './names.ts';
import {
  AgentService,
  BusyReasonSchema,
  type ConfirmPatchRequest,
  ConsentSchema,
  ErrorInfoSchema,
  ErrorReason,
  Event,
  type Hold,
  HoldSchema,
  LeaseUnknownSchema,
  type PendingUpdate as PendingUpdateMessage,
  PendingUpdateSchema,
  State,
  type StateChanged,
  StateChangedSchema,
  StateSnapshotSchema,
  TransitionRefusedSchema,
  UpdateKind,
} from './proto.ts';
import type { AgentState, PendingUpdate } from './types.ts';

export type FakeAgent = {
  /** For `createAgentClient({ transport })`. */
  readonly transport: Transport;
  readonly state: AgentState;
  /** What the host application has said so far, oldest first. */
  readonly heard: readonly FakeCall[];
  /** From READY: receives this update and asks the host application to have it confirmed. */
  offer(update?: Partial<PendingUpdate>): void;
  /** From APPLYING_PATCH or APPLYING_BASE: the update works. */
  succeed(): void;
  /** From APPLYING_PATCH: the integrity check fails, and the base takes over as far as its prompt. */
  fail(reason?: string): void;
  /** Cuts every stream and refuses every call, as an agent that is not running, until `connect`. */
  disconnect(): void;
  connect(): void;
};

export type FakeCall = { method: 'ready' | 'busy' | 'confirm' | 'reportVersion' | 'log'; request: unknown };

const journalId = '00000000-0000-4000-8000-000000000000';

export function createFakeAgent({ ready = false }: { ready?: boolean } = {}): FakeAgent {
  const changes: StateChanged[] = [];
  const heard: FakeCall[] = [];
  const waiting = new Set<() => void>();
  const initial = create(HoldSchema, { reason: create(BusyReasonSchema), startTime: timestampNow() });
  let holds: Hold[] = ready ? [] : [initial];
  let state: State = ready ? State.READY : State.BUSY;
  let pending: PendingUpdateMessage | undefined;
  let connected = true;

  function wake(): void {
    for (const rise of [...waiting]) rise();
  }

  /** Until something changes, or the signal. */
  function change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const rise = () => {
        waiting.delete(rise);
        signal.removeEventListener('abort', rise);
        resolve();
      };
      waiting.add(rise);
      signal.addEventListener('abort', rise);
    });
  }

  function move(event: Event, to: State, reason = ''): void {
    const sequence = BigInt(changes.length + 1);
    const moved = { sequence, from: state, to, event, time: timestampNow(), reason };
    changes.push(create(StateChangedSchema, { ...moved, ...(pending && { pendingUpdate: pending }) }));
    state = to;
    wake();
  }

  const snapshot = () =>
    create(StateSnapshotSchema, {
      ...{ journalId, state, holds, sequence: BigInt(changes.length) },
      stateTime: changes.at(-1)?.time ?? timestampFromMs(0),
      ...(pending && { pendingUpdate: pending }),
    });

  function online(): void {
    if (!connected) throw new ConnectError('the fake agent is disconnected', Code.Unavailable);
  }

  function refuse(event: Event): never {
    throw new ConnectError('the fake agent refuses this in its state', Code.FailedPrecondition, undefined, [
      info(ErrorReason.TRANSITION_REFUSED),
      { desc: TransitionRefusedSchema, value: create(TransitionRefusedSchema, { state, event }) },
    ]);
  }

  function holdNamed(leaseId: string): Hold {
    const found = holds.find((hold) => hold.leaseId === leaseId);
    if (found !== undefined) return found;
    throw new ConnectError('the fake agent does not know this lease', Code.NotFound, undefined, [
      info(ErrorReason.LEASE_UNKNOWN),
      { desc: LeaseUnknownSchema, value: create(LeaseUnknownSchema, { leaseId }) },
    ]);
  }

  function decide(request: Omit<ConfirmPatchRequest, '$typeName'>, base: boolean) {
    online();
    const [waits, event, applies] = base
      ? [State.WAIT_CONFIRM_BASE, Event.SDK_CONFIRMBASE, State.APPLYING_BASE]
      : [State.WAIT_CONFIRM_PATCH, Event.SDK_CONFIRMPATCH, State.APPLYING_PATCH];
    if (state !== waits || pending === undefined) return refuse(event);
    if (hexOf(request.manifestDigest) !== hexOf(pending.manifestDigest)) {
      throw new ConnectError('another update is pending', Code.FailedPrecondition, undefined, [
        info(ErrorReason.DIGEST_MISMATCH),
      ]);
    }
    heard.push({ method: 'confirm', request });
    const { person, decision, manifestDigest, shownText } = request;
    const kind = decision?.kind;
    const consent = create(ConsentSchema, {
      ...{ consentId: crypto.randomUUID(), manifestDigest, shownText: shownText || pending.title },
      ...{ kind: pending.kind, time: timestampNow(), ...(person && { person }) },
    });
    if (kind?.case === 'confirm') {
      consent.decision = kind;
      move(event, applies);
    } else if (kind?.case === 'postpone' && kind.value.until !== undefined) {
      consent.decision = { case: 'postponedUntil', value: kind.value.until };
      pending = { ...pending, postponedUntil: kind.value.until };
    } else if (kind?.case === 'decline') {
      consent.decision = kind;
      pending = { ...pending, declined: true };
    }
    return { snapshot: snapshot(), consent };
  }

  const transport = createRouterTransport(({ service }) => {
    service(AgentService, {
      getState() {
        online();
        return { snapshot: snapshot() };
      },
      setReady(request) {
        online();
        if (state !== State.BUSY) return refuse(Event.SDK_CMDREADY);
        const { leaseId } = request;
        holds = leaseId === '' ? [] : holds.filter((hold) => hold !== holdNamed(leaseId));
        heard.push({ method: 'ready', request });
        if (holds.length > 0) return { snapshot: snapshot() };
        move(Event.SDK_CMDREADY, resting(pending));
        if (state === State.READY_WITHPATCH) move(Event.PROMPT_ISSUED, State.WAIT_CONFIRM_PATCH);
        if (state === State.READY_WITHBASE) move(Event.PROMPT_ISSUED, State.WAIT_CONFIRM_BASE);
        return { snapshot: snapshot() };
      },
      setBusy(request) {
        online();
        if (state === State.APPLYING_PATCH || state === State.APPLYING_BASE) return refuse(Event.SDK_CMDBUSY);
        const { leaseId, leaseDuration, reason = create(BusyReasonSchema) } = request;
        const found = leaseId === '' ? null : holdNamed(leaseId);
        const hold = create(HoldSchema, {
          ...{ leaseId: found?.leaseId ?? (leaseDuration ? crypto.randomUUID() : ''), reason },
          startTime: found?.startTime ?? timestampNow(),
          ...(leaseDuration && { expireTime: timestampFromMs(Date.now() + durationMs(leaseDuration)) }),
        });
        holds = [...holds.filter((one) => one !== found), hold];
        heard.push({ method: 'busy', request });
        if (state !== State.BUSY) move(Event.SDK_CMDBUSY, State.BUSY, reason.text);
        return { snapshot: snapshot(), hold };
      },
      confirmPatch: (request) => decide(request, false),
      confirmBase: (request) => decide(request, true),
      async *watchState(request, { signal }) {
        online();
        const value = { sequence: BigInt(changes.length), time: timestampNow() };
        let next = Number(request.afterSequence ?? changes.length);
        yield { kind: { case: 'heartbeat' as const, value } };
        while (!signal.aborted) {
          online();
          const found = changes[next];
          if (found === undefined) await change(signal);
          else {
            next += 1;
            yield { kind: { case: 'stateChanged' as const, value: found } };
          }
        }
      },
      async pollState(request, { signal }) {
        online();
        const from = Number(request.afterSequence ?? changes.length);
        const waits = request.timeout === undefined || durationMs(request.timeout) > 0;
        if (waits && changes.length <= from) await change(signal);
        online();
        return { changes: changes.slice(from, from + 100), snapshot: snapshot() };
      },
      reportVersion(request) {
        online();
        heard.push({ method: 'reportVersion', request });
        return {};
      },
      submitLog(request) {
        online();
        heard.push({ method: 'log', request });
        return {};
      },
    });
  });

  return {
    transport,
    heard,
    get state() {
      return nameOfState(state);
    },
    offer(update = {}) {
      if (state !== State.READY) throw new Error(`an update is not offered in ${nameOfState(state)}`);
      pending = messageOf(update);
      move(Event.CLOUD_CMDUPGRADE, State.INTRANSIT_PATCH);
      move(Event.TRANSFER_COMPLETE, State.READY_WITHPATCH);
      move(Event.PROMPT_ISSUED, State.WAIT_CONFIRM_PATCH);
    },
    succeed() {
      const base = state === State.APPLYING_BASE;
      if (!base && state !== State.APPLYING_PATCH) throw new Error('nothing is being applied');
      pending = undefined;
      move(base ? Event.BOOT_SYS : Event.INTEGRITY_OK, State.READY);
    },
    fail(reason = 'the health check failed') {
      if (state !== State.APPLYING_PATCH) throw new Error('no patch is being applied');
      if (pending !== undefined) pending = { ...pending, kind: UpdateKind.BASE };
      move(Event.INTEGRITY_FAULT, State.INTRANSIT_BASE, reason);
      move(Event.TRANSFER_COMPLETE, State.READY_WITHBASE);
      move(Event.PROMPT_ISSUED, State.WAIT_CONFIRM_BASE);
    },
    disconnect() {
      connected = false;
      wake();
    },
    connect() {
      connected = true;
    },
  };
}

/** Where the end of the last hold leads: what is pending is complete on the fake's disk. */
function resting(pending: PendingUpdateMessage | undefined): State {
  if (pending === undefined) return State.READY;
  return pending.kind === UpdateKind.BASE ? State.READY_WITHBASE : State.READY_WITHPATCH;
}

function info(reason: ErrorReason) {
  return { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason }) };
}

function messageOf(update: Partial<PendingUpdate>): PendingUpdateMessage {
  const { manifestDigest = 'ab'.repeat(32), kind = 'patch', name = 'sample', version = '1.0.0' } = update;
  return create(PendingUpdateSchema, {
    ...{ name, version, manifestDigest: bytesOf(manifestDigest) },
    kind: kind === 'base' ? UpdateKind.BASE : UpdateKind.PATCH,
    title: update.title ?? 'A sample update',
    summary: update.summary ?? '',
    changes: update.changes ?? [],
    restartsMachine: update.restartsMachine ?? false,
    declined: update.declined ?? false,
    ...(update.postponedUntil && { postponedUntil: timestampFromDate(update.postponedUntil) }),
  });
}
