/** What the twin says is assigned: the truth for a device that missed an offer or a cancel. */
import { create } from '@bufbuild/protobuf';
import { OfferRequestSchema } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { Assignment, Bus } from '../bus/bus.ts';
import type { Log } from '../log/log.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import type { Update } from '../machine/update.ts';
import { assignmentOf } from '../updates/record.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import type { Withdrawal } from './withdrawal.ts';

export type AssignmentsOptions = {
  updates: UpdateStore;
  snapshot: () => Snapshot;
  pending: () => Update | null;
  bus: Pick<Bus, 'ask'>;
  withdrawal: Withdrawal;
  after: (ms: number, callback: () => void) => () => void;
  log: Log;
  /** How long an offer has to come by itself once the twin points at it. Default 2 s. */
  patienceMs?: number;
};

export type Assignments = {
  /** The assignment that the twin points at; null: none, or the twin was not read yet. */
  pointedAt(): string | null;
  /** The twin was read. */
  onAssignment(assignment: Assignment): void;
  /** Asks for what the twin points at, if this machine wants it. */
  ask(): Promise<void>;
  /** Asks for the offer of an assignment that is under way here, for what the cloud says of it now. */
  askFor(assignmentId: string): Promise<void>;
  stop(): void;
};

/** An offer that does not come is asked for again, more and more rarely. */
const firstRepeatMs = 60_000;
const maxRepeatMs = 900_000;

export function createAssignments(options: AssignmentsOptions): Assignments {
  const { updates, snapshot, pending, bus, withdrawal, after, log, patienceMs = 2000 } = options;
  let pointer: Assignment = null;
  let cancel = () => {};

  /** Whether the offer that the twin points at is still to come. */
  function wanted(): string | null {
    if (pointer === null) return null;
    const { assignmentId, manifest } = pointer;
    const { state, memory } = snapshot();
    if ([memory.finished?.updateId, memory.failedPatch].includes(assignmentId)) return null;
    const update = pending();
    if (state === 'READY') return assignmentId;
    if (state === 'INTRANSIT_BASE')
      return update === null && manifest?.kind === UpdateKind.BASE ? assignmentId : null;
    const record = update?.target === 'patch' ? updates.get(update.updateId) : null;
    const superseded = record !== null && record.offer.assignmentId !== assignmentId;
    return superseded && state !== 'BUSY' && state !== 'APPLYING_PATCH' ? assignmentId : null;
  }

  function askIn(ms: number, nextMs: number): void {
    cancel();
    cancel = after(ms, () => void askNow(nextMs));
  }

  async function askNow(repeatMs: number): Promise<void> {
    cancel();
    const assignmentId = wanted();
    if (assignmentId === null) return;
    await askFor(assignmentId);
    askIn(repeatMs, Math.min(2 * repeatMs, maxRepeatMs));
  }

  async function askFor(assignmentId: string): Promise<void> {
    const value = create(OfferRequestSchema, { assignmentId });
    const { kind } = await bus.ask({ case: 'offerRequest', value });
    const about = { assignment_id: assignmentId };
    log({ level: 'info', component: 'offers', message: `the assigned update was asked for: ${kind}`, about });
  }

  async function withdrawn(): Promise<void> {
    const update = pending();
    const record = update && updates.get(update.updateId);
    if (update === null || record === null) return;
    if (record.pointedAt !== assignmentOf(record, update.target)) return;
    await withdrawal.withdraw(update.updateId, 'cancelled', 'the twin no longer points at it');
  }

  function remember(assignmentId: string): void {
    for (const record of updates.all()) {
      const mine = [record.offer.assignmentId, record.baseOffer?.assignmentId].includes(assignmentId);
      if (mine && record.pointedAt !== assignmentId) updates.put({ ...record, pointedAt: assignmentId });
    }
  }

  return {
    pointedAt: () => pointer?.assignmentId ?? null,
    onAssignment(assignment) {
      const before = pointer?.assignmentId;
      pointer = assignment;
      try {
        if (assignment !== null) remember(assignment.assignmentId);
      } catch (error) {
        // The disk is full: the twin is read again, and then remembered.
        log({
          level: 'warn',
          component: 'offers',
          message: `the twin's pointer was not kept: ${String(error)}`,
        });
      }
      if (assignment === null) void withdrawn();
      else if (before !== assignment.assignmentId || wanted() !== null) askIn(patienceMs, firstRepeatMs);
    },
    ask: () => askNow(firstRepeatMs),
    askFor,
    stop: () => cancel(),
  };
}
