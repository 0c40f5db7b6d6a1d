/**
 * One stream of events. It is pulled: nothing is queued for a slow caller but what the database keeps anyway, and one that falls
 * behind what is kept is told so, never given a gap.
 */
import { create, fromJson } from '@bufbuild/protobuf';
import { durationMs, timestampFromDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  EventTopic,
  FleetEventSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from '@iotdh/proto/fleet/v1';
import type { Clock } from '../../../shared/clock.ts';
import type { EventDocument } from '../../../shared/database/collections.ts';
import { bigint } from '../../../shared/messages/long.ts';
import { refuse } from '../refusal.ts';
import { cursorOf, sequenceOf } from './cursor.ts';
import type { EventTail } from './tail.ts';

const defaultHeartbeatMs = 15_000;

const topics: Partial<Record<EventTopic, EventDocument['topic']>> = {
  [EventTopic.DEVICE]: 'device',
  [EventTopic.STATE]: 'state',
  [EventTopic.ASSIGNMENT]: 'assignment',
  [EventTopic.PACK]: 'pack',
  [EventTopic.CONSENT]: 'consent',
};

export type WatchOptions = {
  tail: EventTail;
  clock: Clock;
  /** Ends the stream: the caller left, or the process ends. */
  signal: AbortSignal;
};

/** A heartbeat first, so that the caller knows at once that the stream works and where it stands. */
export async function* watch(request: WatchRequest, options: WatchOptions): AsyncGenerator<WatchResponse> {
  const { tail, clock, signal } = options;
  const { heartbeatInterval } = request;
  const heartbeatMs = heartbeatInterval === undefined ? defaultHeartbeatMs : durationMs(heartbeatInterval);
  const isWanted = selection(request);
  let position = request.afterCursor === '' ? await tail.newest() : sequenceOf(request.afterCursor);
  if (position === null) return refuse({ kind: 'cursor_expired' });
  let beatAtMs = clock.now() + heartbeatMs;

  function heartbeat(sequence: bigint): WatchResponse {
    const cursor = sequence === 0n ? '' : cursorOf(sequence);
    const value = { cursor, time: timestampFromMs(clock.now()) };
    return create(WatchResponseSchema, { kind: { case: 'heartbeat', value } });
  }

  let next = await tail.after(position);
  // What cannot be resumed is said before anything else.
  if (next.kind === 'events') yield heartbeat(position);
  while (!signal.aborted) {
    if (next.kind === 'expired') return refuse({ kind: 'cursor_expired' });
    for (const event of next.events) {
      position = bigint(event._id);
      if (!isWanted(event)) continue;
      yield responseOf(event);
      beatAtMs = clock.now() + heartbeatMs;
      if (signal.aborted) break;
    }
    if (next.events.length === 0) await moreOr(beatAtMs - clock.now(), position);
    if (clock.now() >= beatAtMs && !signal.aborted) {
      yield heartbeat(position);
      beatAtMs = clock.now() + heartbeatMs;
    }
    if (!signal.aborted) next = await tail.after(position);
  }
  // Connect answers an aborted stream with the reason of its signal: UNAVAILABLE while the process ends.
  signal.throwIfAborted();

  async function moreOr(silenceMs: number, sequence: bigint): Promise<void> {
    const patience = new AbortController();
    const cancel = clock.after(Math.max(0, silenceMs), () => patience.abort());
    await tail.more(sequence, AbortSignal.any([signal, patience.signal]));
    cancel();
  }
}

function selection({ topics: chosen, deviceIds }: WatchRequest): (event: EventDocument) => boolean {
  const wantedTopics = new Set(chosen.flatMap((topic) => topics[topic] ?? []));
  const wantedDevices = new Set(deviceIds);
  return ({ topic, deviceId }) =>
    (wantedTopics.size === 0 || wantedTopics.has(topic)) &&
    (wantedDevices.size === 0 || wantedDevices.has(deviceId));
}

function responseOf({ _id, time, event }: EventDocument): WatchResponse {
  const value = fromJson(FleetEventSchema, event, { ignoreUnknownFields: true });
  value.cursor = cursorOf(bigint(_id));
  value.time = timestampFromDate(time);
  return create(WatchResponseSchema, { kind: { case: 'event', value } });
}
