/**
 * The holds on BUSY. The first raises sdk_cmdbusy, the end of the last raises sdk_cmdready; a hold is written and removed in
 * the transaction of that event, so that outside BUSY there is none.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BusyReason, BusyReasonSchema, type Hold, HoldSchema } from '@iotdh/proto/agent/v1';
import type { Clock } from './clock.ts';
import { createLeases } from './leases.ts';
import type { Lock } from './lock.ts';
import type { AgentMachine } from './port.ts';
import { done, type Outcome, type Refusal, refusalOf } from './refusal.ts';
import type { StoredHold } from './store/hold-table.ts';
import type { HostStore } from './store/open-store.ts';

export type HoldsOptions = {
  store: HostStore;
  machine: AgentMachine;
  clock: Clock;
  /** Guards the machine together with the holds; everything here but `start` is called while it is held. */
  lock: Lock;
  newId: () => string;
  /** Default 10 s: as long as a host application may need to find the agent again. */
  restartGraceMs?: number;
  /** Told when a lease ends by itself. */
  onLeaseEnded?: (leaseId: string) => void;
};

export type Holds = {
  /** Brings holds and state in line after a restart, and lets leases go on. */
  start(): boolean;
  stop(): void;
  list(): Hold[];
  /** Takes a new hold; `durationMs` null: not a lease. `keep` is called within the transaction, here and below. */
  take(reason: BusyReason, durationMs: number | null, requestId: string, keep: Keep): Promise<Outcome<Hold>>;
  renew(leaseId: string, reason: BusyReason, durationMs: number, keep: Keep): Outcome<Hold>;
  /** Ends one hold, or all of them if `leaseId` is empty. */
  release(leaseId: string, keep: () => void): Promise<Outcome<null>>;
  /** Through BUSY and, unless somebody holds the agent, on to where the disk leads: stops what is under way. */
  interrupt(): Promise<Refusal | null>;
};

type Keep = (hold: Hold) => void;
type Command = 'sdk_cmdbusy' | 'sdk_cmdready';

/** What the contract allows. */
const maxHolds = 64;
/** How long until a lease whose end could not be carried out is looked at again. */
const retryMs = 1000;

export function createHolds(options: HoldsOptions): Holds {
  const { store, machine, clock, lock, newId, restartGraceMs = 10_000, onLeaseEnded } = options;
  const leases = createLeases({ clock, restartGraceMs, onExpired: () => void lock.run(endExpired) });
  let stopped = false;

  function start(): boolean {
    const { state } = machine.standing();
    const holds = store.holds.all();
    const recorded = store.write(() => {
      if (state !== 'BUSY') for (const { id } of holds) store.holds.remove(id);
      else if (holds.length === 0) store.holds.insert(initialHold(clock.now()));
    });
    if (recorded) leases.resume(store.holds.all());
    return recorded;
  }

  /** Writes in the transaction of the event, or in one of its own if the agent need not move. */
  async function write(event: Command | null, work: () => void): Promise<Refusal | null> {
    if (event !== null) return refusalOf(await machine.submit({ type: event }, work), event);
    return store.write(work) ? null : { kind: 'unwritable' };
  }

  async function take(
    reason: BusyReason,
    durationMs: number | null,
    requestId: string,
    keep: Keep,
  ): Promise<Outcome<Hold>> {
    const applying = refusalWhileApplying();
    if (applying !== null) return applying;
    if (store.holds.all().length >= maxHolds) return { kind: 'too_many_holds', maxHolds };
    const startMs = clock.now();
    const taken = {
      leaseId: durationMs === null ? '' : newId(),
      requestId,
      reason: toBinary(BusyReasonSchema, reason),
      startMs,
      durationMs,
      expireMs: durationMs === null ? null : startMs + durationMs,
    };
    const hold = holdOf(taken, reason);
    let id = 0;
    const { state } = machine.standing();
    const refusal = await write(state === 'BUSY' ? null : 'sdk_cmdbusy', () => {
      id = store.holds.insert(taken);
      keep(hold);
    });
    if (refusal !== null) return refusal;
    if (durationMs !== null) leases.begin(id, durationMs);
    return done(hold);
  }

  function renew(leaseId: string, reason: BusyReason, durationMs: number, keep: Keep): Outcome<Hold> {
    const applying = refusalWhileApplying();
    if (applying !== null) return applying;
    const found = store.holds.all().find((hold) => hold.leaseId === leaseId);
    if (found === undefined) return { kind: 'lease_unknown', leaseId };
    const expireMs = clock.now() + durationMs;
    const hold = holdOf({ ...found, expireMs }, reason);
    const recorded = store.write(() => {
      store.holds.renew(found.id, toBinary(BusyReasonSchema, reason), durationMs, expireMs);
      keep(hold);
    });
    if (!recorded) return { kind: 'unwritable' };
    leases.begin(found.id, durationMs);
    return done(hold);
  }

  async function release(leaseId: string, keep: () => void): Promise<Outcome<null>> {
    const { state } = machine.standing();
    if (state !== 'BUSY') return { kind: 'transition_refused', state, event: 'sdk_cmdready' };
    const holds = store.holds.all();
    const ending = leaseId === '' ? holds : holds.filter((hold) => hold.leaseId === leaseId);
    if (leaseId !== '' && ending.length === 0) return { kind: 'lease_unknown', leaseId };
    const work = () => {
      for (const { id } of ending) store.holds.remove(id);
      keep();
    };
    const refusal = ending.length < holds.length ? endLease(work) : await write('sdk_cmdready', work);
    if (refusal !== null) return refusal;
    for (const { id } of ending) leases.end(id);
    return done(null);
  }

  /** Of one of several, which moves nothing. A power cut may bring the lease back: then it ends by itself, as it would have. */
  function endLease(work: () => void): Refusal | null {
    return store.writeSoon(work) ? null : { kind: 'unwritable' };
  }

  async function interrupt(): Promise<Refusal | null> {
    const nothing = () => undefined;
    const refusal = machine.standing().state === 'BUSY' ? null : await write('sdk_cmdbusy', nothing);
    if (refusal !== null) return refusal;
    return store.holds.all().length > 0 ? null : write('sdk_cmdready', nothing);
  }

  async function endExpired(): Promise<void> {
    if (stopped) return;
    const expired = leases.expired();
    for (const { leaseId } of store.holds.all().filter(({ id }) => expired.includes(id))) {
      const { kind } = await release(leaseId, () => undefined);
      if (kind === 'done') onLeaseEnded?.(leaseId);
      else leases.retryIn(retryMs);
    }
  }

  function refusalWhileApplying(): Refusal | null {
    const { state } = machine.standing();
    const applying = state === 'APPLYING_PATCH' || state === 'APPLYING_BASE';
    return applying ? { kind: 'transition_refused', state, event: 'sdk_cmdbusy' } : null;
  }

  return {
    start,
    take,
    renew,
    release,
    interrupt,
    list: () => store.holds.all().map((hold) => holdOf(hold)),
    stop() {
      stopped = true;
      leases.stop();
    },
  };
}

/** What holds the agent when it starts for the first time: it cannot know what the machine is used for. */
function initialHold(now: number): Omit<StoredHold, 'id'> {
  const reason = toBinary(BusyReasonSchema, create(BusyReasonSchema));
  return { leaseId: '', requestId: '', reason, startMs: now, durationMs: null, expireMs: null };
}

function holdOf(
  { leaseId, reason: bytes, startMs, expireMs }: Omit<StoredHold, 'id'>,
  reason: BusyReason = fromBinary(BusyReasonSchema, bytes),
): Hold {
  return create(HoldSchema, {
    leaseId,
    reason,
    startTime: timestampFromMs(startMs),
    ...(expireMs === null ? {} : { expireTime: timestampFromMs(expireMs) }),
  });
}
