/** Follows the stream of events over lost connections and restarts of the fleet, without a gap. */
import { Code, ConnectError } from '@connectrpc/connect';
import type { EventTopic, FleetEvent } from '@iotdh/proto/fleet/v1';
import type { Fleet } from './fleet.ts';
import { isUnreachable } from './rpc-failure.ts';

export type FollowOptions = {
  events: Fleet['events'];
  topics: EventTopic[];
  /** Empty: of any device. */
  deviceIds: string[];
  signal: AbortSignal;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Told when the stream is lost, and that it is there again. */
  onLink?(link: 'lost' | 'back'): void;
};

/** `alive` comes at the beginning of each stream and with each sign of life. `gap`: events were missed, so look afresh. */
export type Followed = { kind: 'event'; event: FleetEvent } | { kind: 'alive' } | { kind: 'gap' };

const heartbeatSeconds = 5n;
const firstWaitMs = 500;
const maxWaitMs = 10_000;

/** Goes on until the signal aborts; throws only what trying again cannot heal. */
export async function* followEvents(options: FollowOptions): AsyncGenerator<Followed> {
  const { events, topics, deviceIds, signal, onLink = () => undefined } = options;
  let afterCursor = '';
  let waitMs = firstWaitMs;
  let lost = false;
  while (!signal.aborted) {
    try {
      const heartbeatInterval = { seconds: heartbeatSeconds, nanos: 0 };
      // A stream has no deadline.
      const stream = events.watch(
        { topics, deviceIds, afterCursor, heartbeatInterval },
        { signal, timeoutMs: 0 },
      );
      for await (const { kind } of stream) {
        if (lost) onLink('back');
        lost = false;
        waitMs = firstWaitMs;
        if (kind.case === 'event') {
          afterCursor = kind.value.cursor;
          yield { kind: 'event', event: kind.value };
        } else if (kind.case === 'heartbeat') {
          afterCursor = kind.value.cursor;
          yield { kind: 'alive' };
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ConnectError && error.code === Code.OutOfRange) {
        afterCursor = '';
        yield { kind: 'gap' };
        continue;
      }
      if (!isUnreachable(error) && !wasCut(error)) throw error;
    }
    if (!lost) onLink('lost');
    lost = true;
    await options.wait(waitMs, signal).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, maxWaitMs);
  }
}

/** A server that ends in the middle of a stream leaves an error of fetch, or an end without a trailer. */
function wasCut(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return error instanceof TypeError;
  return [Code.Aborted, Code.Internal, Code.Unknown, Code.DataLoss].includes(error.code);
}
