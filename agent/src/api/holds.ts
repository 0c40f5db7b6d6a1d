/**
 * The holds on BUSY. The first raises sdk_cmdbusy, the end of the last raises sdk_cmdready. A hold is written before the
 * one and removed after the other, so that after a crash the machine's state says which holds there really are.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BusyReason, BusyReasonSchema, type Hold, HoldSchema } from '@iotdh/proto/agent/v1';
import type { EventName } from '../machine/table.ts';
import type { Once } from './answers.ts';
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
  /** Takes a new hold; `durationMs` null: not a lease. `keep` is given the hold before the end is written. */
  take(
    reason: BusyReason,
    durationMs: number | null,
    requestId: string,
    once: Once,
    keep: Keep,
  ): Promise<Outcome<Hold>>;
  renew(leaseId: string, reason: BusyReason, durationMs: number, once: Once, keep: Keep): Outcome<Hold>;
  /** Ends one hold, or all of them if `leaseId` is empty. */
  release(leaseId: string, once: Once, keep: () => void): Promise<Outcome<null>>;
  /** Through BUSY and, unless somebody holds the agent, on to where the disk leads: stops what is under way. */
  interrupt(): Promise<Refusal | null>;
};

type Keep = (hold: Hold) => void;

/** What the contract allows. */
const maxHolds = 64;
/** How long until a lease whose end could not be carried out is looked at again. */
const retryMs = 1000;

/** What stands in for an answer when the end of a hold is nobody's request. */
const unasked = (store: HostStore): Once => ({
  again: false,
  begin: store.write,
  end: store.write,
  cancel: store.write,
});

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

  async function take(
    reason: BusyReason,
    durationMs: number | null,
    requestId: string,
    once: Once,
    keep: Keep,
  ): Promise<Outcome<Hold>> {
    const applying = refusalWhileApplying();
    if (applying !== null) return applying;
    const holds = store.holds.all();
    // A hold outside BUSY is what a full disk did not let go.
    const remains = machine.standing().state === 'BUSY' ? [] : holds;
    const made = once.again ? holds.find((hold) => hold.requestId === requestId) : undefined;
    if (made === undefined && holds.length - remains.length >= maxHolds) {
      return { kind: 'too_many_holds', maxHolds };
    }

    const now = clock.now();
    const lease = { leaseId: durationMs === null ? '' : newId(), durationMs };
    const expireMs = durationMs === null ? null : now + durationMs;
    const reasonBytes = toBinary(BusyReasonSchema, reason);
    let stored = made;
    const begun = once.begin(() => {
      for (const { id } of remains) if (id !== made?.id) store.holds.remove(id);
      if (made !== undefined) return;
      const hold = { ...lease, requestId, reason: reasonBytes, startMs: now, expireMs };
      stored = { ...hold, id: store.holds.insert(hold) };
    });
    if (!begun || stored === undefined) return { kind: 'unwritable' };
    const { id } = stored;

    const refusal = machine.standing().state === 'BUSY' ? null : await raise('sdk_cmdbusy');
    if (refusal !== null) {
      once.cancel(() => store.holds.remove(id));
      return refusal;
    }
    if (stored.durationMs !== null) leases.begin(id, stored.durationMs);
    const hold = holdOf(stored);
    keep(hold);
    once.end(() => undefined);
    return done(hold);
  }

  function renew(
    leaseId: string,
    reason: BusyReason,
    durationMs: number,
    once: Once,
    keep: Keep,
  ): Outcome<Hold> {
    const applying = refusalWhileApplying();
    if (applying !== null) return applying;
    const held = machine.standing().state === 'BUSY' ? store.holds.all() : [];
    const found = held.find((hold) => hold.leaseId === leaseId);
    if (found === undefined) return { kind: 'lease_unknown', leaseId };
    const expireMs = clock.now() + durationMs;
    const reasonBytes = toBinary(BusyReasonSchema, reason);
    const hold = holdOf({ ...found, reason: reasonBytes, durationMs, expireMs });
    const recorded = once.end(() => {
      store.holds.renew(found.id, reasonBytes, durationMs, expireMs);
      keep(hold);
    });
    if (!recorded) return { kind: 'unwritable' };
    leases.begin(found.id, durationMs);
    return done(hold);
  }

  async function release(leaseId: string, once: Once, keep: () => void): Promise<Outcome<null>> {
    const { state } = machine.standing();
    if (state !== 'BUSY') {
      // A crash came between the move and the answer: the request was carried out.
      if (once.again) return finish(once, [], keep);
      return { kind: 'transition_refused', state, event: 'sdk_cmdready' };
    }
    const holds = store.holds.all();
    const ending = leaseId === '' ? holds : holds.filter((hold) => hold.leaseId === leaseId);
    if (leaseId !== '' && ending.length === 0) return { kind: 'lease_unknown', leaseId };
    if (ending.length < holds.length) return finish(once, ending, keep);
    if (!once.begin(() => undefined)) return { kind: 'unwritable' };
    const refusal = await raise('sdk_cmdready');
    if (refusal !== null) {
      once.cancel(() => undefined);
      return refusal;
    }
    return finish(once, ending, keep, true);
  }

  /** `moved`: the move is durable already, so a full disk only leaves behind what the next start clears away. */
  function finish(once: Once, ending: readonly StoredHold[], keep: () => void, moved = false): Outcome<null> {
    const remove = () => {
      for (const { id } of ending) store.holds.remove(id);
    };
    // The answer shows the agent without the holds, so it is made after they are removed.
    const recorded = once.end(() => {
      remove();
      keep();
    });
    if (!recorded) {
      if (!moved) return { kind: 'unwritable' };
      keep();
    }
    for (const { id } of ending) leases.end(id);
    return done(null);
  }

  async function interrupt(): Promise<Refusal | null> {
    const refusal = machine.standing().state === 'BUSY' ? null : await raise('sdk_cmdbusy');
    if (refusal !== null) return refusal;
    return store.holds.all().length > 0 ? null : raise('sdk_cmdready');
  }

  async function endExpired(): Promise<void> {
    if (stopped) return;
    const expired = leases.expired();
    for (const hold of store.holds.all().filter(({ id }) => expired.includes(id))) {
      const once = unasked(store);
      const held = machine.standing().state === 'BUSY';
      const { kind } = held
        ? await release(hold.leaseId, once, () => undefined)
        : finish(once, [hold], () => undefined);
      if (kind === 'done') onLeaseEnded?.(hold.leaseId);
      else leases.retryIn(retryMs);
    }
  }

  function refusalWhileApplying(): Refusal | null {
    const { state } = machine.standing();
    const applying = state === 'APPLYING_PATCH' || state === 'APPLYING_BASE';
    return applying ? { kind: 'transition_refused', state, event: 'sdk_cmdbusy' } : null;
  }

  async function raise(event: EventName & ('sdk_cmdbusy' | 'sdk_cmdready')): Promise<Refusal | null> {
    return refusalOf(await machine.submit({ type: event }), event);
  }

  return {
    start,
    take,
    renew,
    release,
    interrupt,
    list: () => (machine.standing().state === 'BUSY' ? store.holds.all().map(holdOf) : []),
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

function holdOf({ leaseId, reason, startMs, expireMs }: StoredHold): Hold {
  return create(HoldSchema, {
    leaseId,
    reason: fromBinary(BusyReasonSchema, reason),
    startTime: timestampFromMs(startMs),
    ...(expireMs === null ? {} : { expireTime: timestampFromMs(expireMs) }),
  });
}
