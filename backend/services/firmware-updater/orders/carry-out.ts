/** Carries one order out: the twin first, so that a device that is away finds what is assigned, then the message. */
import type { JsonObject } from '@bufbuild/protobuf';
import type { Collections, OrderDocument } from '../../../shared/database/collections.ts';
import type { Hub, HubAnswer } from '../../../shared/hub.ts';
import type { C2dMessage, SendOutcome } from '../sender/c2d-message.ts';

export type CarryOutcome =
  | { kind: 'done' }
  /** `afterMs`: what is known of when it could succeed; undefined: the usual backoff. */
  | { kind: 'later'; reason: string; afterMs?: number | undefined }
  /** It will never succeed, or is not wanted any more. */
  | { kind: 'never'; reason: string };

export type CarryOutOptions = {
  hub: Pick<Hub, 'setDesired' | 'purge' | 'invoke'>;
  command(message: C2dMessage): Promise<SendOutcome>;
  assignments: Pick<Collections['assignments'], 'findOne'>;
  /** How long a command waits in the hub for a device that is away, in ms. Default a day; IoT Hub allows two. */
  commandLifetimeMs?: number;
  /** How long everything waits after the day's quota was used up, in ms. Default 10 minutes. */
  quotaRetryMs?: number;
};

const dayMs = 86_400_000;
const methodTimeoutMs = 15_000;

/** Never throws but for a database that is away. */
export function createCarryOut(options: CarryOutOptions): (order: OrderDocument) => Promise<CarryOutcome> {
  const { hub, command, assignments, commandLifetimeMs = dayMs, quotaRetryMs = 600_000 } = options;

  async function isWanted({ kind, assignmentId }: OrderDocument): Promise<boolean> {
    if (kind !== 'offer' || assignmentId === '') return true;
    const assignment = await assignments.findOne({ _id: assignmentId });
    return assignment?.goesOn === true && assignment.cancel === null;
  }

  async function purge(deviceId: string): Promise<CarryOutcome> {
    const purged = outcomeOfAnswer(await hub.purge(deviceId));
    if (purged.kind !== 'done') return purged;
    const call = { name: 'cloudtodevicepurge', payload: {}, responseTimeoutMs: methodTimeoutMs };
    const asked = await hub.invoke(deviceId, call);
    // What has left the hub is on a device that is connected, or nowhere.
    return asked.kind === 'offline' ? { kind: 'done' } : outcomeOfAnswer(asked);
  }

  return async (order) => {
    const { deviceId, kind, pointer, body } = order;
    if (kind === 'purge') return purge(deviceId);
    const wanted = await isWanted(order);
    // An offer that was withdrawn before it left leaves no trace; the order that withdraws it clears the twin.
    if (!wanted && pointer !== null) return { kind: 'never', reason: 'the assignment does not go on' };
    if (pointer !== undefined) {
      const set = outcomeOfAnswer(await hub.setDesired(deviceId, { assignment: mergeable(pointer) }));
      if (set.kind !== 'done') return set;
    }
    if (body.length() === 0) return { kind: 'done' };
    const message = {
      deviceId,
      messageId: order._id,
      body: Uint8Array.from(body.value()),
      lifetimeMs: commandLifetimeMs,
    };
    return outcomeOfSend(await command(message), quotaRetryMs);
  };
}

/** A twin is merged field by field: what the pointer leaves out must be said to be gone. */
function mergeable(pointer: JsonObject | null): JsonObject | null {
  return pointer === null ? null : { fallback: null, ...pointer };
}

function outcomeOfAnswer(answer: HubAnswer<unknown>): CarryOutcome {
  switch (answer.kind) {
    case 'done':
      return { kind: 'done' };
    case 'unknown_device':
      return { kind: 'never', reason: 'the hub does not know the device' };
    case 'throttled':
      return { kind: 'later', reason: 'the hub throttles', afterMs: answer.retryAfterMs };
    case 'unreachable':
      return { kind: 'later', reason: answer.reason };
    default:
      return { kind: 'later', reason: `the hub answered ${answer.kind}` };
  }
}

function outcomeOfSend(outcome: SendOutcome, quotaRetryMs: number): CarryOutcome {
  switch (outcome.kind) {
    case 'sent':
      return { kind: 'done' };
    case 'unknown_device':
      return { kind: 'never', reason: 'the hub does not know the device' };
    case 'refused':
      return { kind: 'never', reason: outcome.reason };
    case 'throttled':
      return { kind: 'later', reason: 'the hub throttles' };
    case 'quota_used':
      return { kind: 'later', reason: "the hub's messages of the day are used up", afterMs: quotaRetryMs };
    case 'queue_full':
      return { kind: 'later', reason: 'as many commands as the hub holds wait for the device' };
    case 'unreachable':
      return { kind: 'later', reason: outcome.reason };
  }
}
