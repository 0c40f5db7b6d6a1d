/** What the updater measures of itself. */
import type { OrderDocument } from '../../shared/database/collections.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { CarryOutcome } from './orders/carry-out.ts';
import type { FrameEnd } from './pacing/pacer.ts';
import type { RequestOutcome } from './requests/handle-messages.ts';
import type { SenderState } from './sender/sender.ts';

export type Meters = {
  frame(end: FrameEnd, bytes: number): void;
  request(outcome: RequestOutcome): void;
  order(kind: OrderDocument['kind'], outcome: CarryOutcome['kind'], lagMs: number): void;
  look(found: boolean): void;
  throttled(): void;
  /** A step in the shared account of the quota. */
  quota(seen: { granted: number; isFramesUsed: boolean }): void;
  connection(kind: SenderState['kind']): void;
};

export function createMeters({ counter, gauge, histogram }: Metrics): Meters {
  const frames = counter('frames_total', 'Frames by what became of them', ['outcome']);
  const bytes = counter('frame_bytes_total', 'Bytes of the frames that the hub took');
  const requests = counter('frame_requests_total', 'Requests of devices by what became of them', ['outcome']);
  const orders = counter('orders_total', 'Attempts at orders by what became of them', ['kind', 'outcome']);
  const lag = histogram('order_lag_seconds', 'From when an order was due to when it was taken up', {
    buckets: [0.05, 0.2, 1, 5, 30, 120, 600],
  });
  const looks = counter('block_looks_total', 'Looks for a block of an object in memory', ['found']);
  const throttles = counter(
    'c2d_throttles_total',
    'Messages that the hub refused because they came too fast',
  );
  const steps = counter('quota_steps_total', 'Steps in the shared account of the hub’s quota');
  const granted = counter('quota_granted_messages_total', 'C2D messages that this replica was granted');
  const framesUsed = gauge('quota_frames_used', 'Whether frames have used up their share of the hub’s day');
  const connected = gauge('hub_connected', 'Whether the connection to the hub is open');
  const reconnects = counter('hub_connections_total', 'Connections to the hub that were begun');
  return {
    frame(end, size) {
      frames({ outcome: end });
      if (end === 'sent') bytes({}, size);
    },
    request: (outcome) => requests({ outcome }),
    order(kind, outcome, lagMs) {
      orders({ kind, outcome });
      lag(Math.max(0, lagMs) / 1_000);
    },
    look: (found) => looks({ found: String(found) }),
    throttled: () => throttles(),
    quota(seen) {
      steps();
      granted({}, seen.granted);
      framesUsed(seen.isFramesUsed ? 1 : 0);
    },
    connection(kind) {
      connected(kind === 'open' ? 1 : 0);
      if (kind === 'opening') reconnects();
    },
  };
}
