/** Hears of new orders from the database's change stream, so that nobody waits for the next look. Without one, looks suffice. */
import type { ChangeStream } from 'mongodb';
import type { Clock } from '../../../shared/clock.ts';
import type { Collections, OrderDocument } from '../../../shared/database/collections.ts';

export type OrderWatchOptions = {
  orders: Collections['orders'];
  clock: Clock;
  onOrder(order: Pick<OrderDocument, 'kind' | 'assignmentId' | 'deviceId'>): void;
  /** After the stream broke, in ms. Default 5 s. */
  retryMs?: number;
};

export type OrderWatch = { start(): void; stop(): Promise<void> };

export function createOrderWatch({ orders, clock, onOrder, retryMs = 5_000 }: OrderWatchOptions): OrderWatch {
  let stopped = false;
  let stream: ChangeStream | undefined;
  let cancelRetry: (() => void) | undefined;

  function open(): void {
    if (stopped) return;
    const opened = orders.watch([{ $match: { operationType: 'insert' } }]);
    stream = opened;
    opened.on('change', (change) => {
      if (change.operationType === 'insert') onOrder(change.fullDocument);
    });
    opened.once('error', () => {
      // A second failure of a stream that is being closed has nobody to tell.
      opened.on('error', () => {});
      opened.close().catch(() => {});
      if (!stopped) cancelRetry = clock.after(retryMs, open);
    });
  }

  return {
    start: open,
    async stop() {
      stopped = true;
      cancelRetry?.();
      await stream?.close().catch(() => {});
    },
  };
}
