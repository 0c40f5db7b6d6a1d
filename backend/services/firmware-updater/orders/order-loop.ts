/** Carries orders out as they come due, several devices at once, and says in the database what became of each. */
import type { Clock } from '../../../shared/clock.ts';
import type { OrderDocument } from '../../../shared/database/collections.ts';
import type { Log } from '../../../shared/log.ts';
import { failSpan, type Tracing } from '../../../shared/tracing.ts';
import type { CarryOutcome } from './carry-out.ts';
import type { Claims } from './claims.ts';

export type OrderLoopOptions = {
  claims: Claims;
  carryOut(order: OrderDocument): Promise<CarryOutcome>;
  /** Before an order is given up: ends what waits for it. Does nothing when it is called again. */
  onGivenUp(order: OrderDocument, reason: string): Promise<void>;
  clock: Clock;
  random: () => number;
  log: Log;
  tracing: Pick<Tracing, 'startSpan'>;
  /** How often it looks when nobody wakes it, in ms. Default 1 s. */
  pollMs?: number;
  /** Devices at once. Default 16. */
  maxAtOnce?: number;
  /** How often a lease is renewed while its order is under way, in ms. Default 20 s. */
  renewMs?: number;
  /** The wait after a failure: from `baseMs`, doubled each time, up to `maxMs`. Default 1 s and 5 minutes. */
  backoff?: { baseMs: number; maxMs: number };
  /** Called once for each attempt. `lagMs`: since it was due. */
  onOutcome?(order: OrderDocument, outcome: CarryOutcome['kind'], lagMs: number): void;
};

export type OrderLoop = {
  start(): void;
  /** There may be something to do. */
  wake(): void;
  /** Claims nothing more; resolves when what is under way has ended. */
  stop(): Promise<void>;
  /** Null: the database answers. */
  readonly trouble: string | null;
};

const settleAttempts = 5;
const settlePauseMs = 200;

export function createOrderLoop(options: OrderLoopOptions): OrderLoop {
  const { claims, carryOut, clock, random, log, tracing, pollMs = 1_000, maxAtOnce = 16 } = options;
  const { renewMs = 20_000, backoff = { baseMs: 1_000, maxMs: 300_000 } } = options;
  const underWay = new Set<Promise<void>>();
  let stopped = false;
  let looking: Promise<void> | undefined;
  let again = false;
  let cancelPoll: (() => void) | undefined;
  let trouble: string | null = null;

  function later(order: OrderDocument, afterMs: number | undefined): Date {
    const ms = afterMs ?? Math.min(backoff.baseMs * 2 ** Math.min(order.attempts - 1, 30), backoff.maxMs);
    return new Date(clock.now() + ms * (1 + random() / 4));
  }

  /** Keeps the lease for as long as it takes. Returns what ends that. */
  function holdLease(order: OrderDocument): () => void {
    let cancel = clock.after(renewMs, renew);
    let over = false;
    function renew(): void {
      claims.renew(order._id).then(next, next);
    }
    function next(): void {
      if (!over) cancel = clock.after(renewMs, renew);
    }
    return () => {
      over = true;
      cancel();
    };
  }

  async function settle(order: OrderDocument, outcome: CarryOutcome): Promise<void> {
    if (outcome.kind === 'done') return claims.sent(order._id);
    const what = { orderId: order._id, deviceId: order.deviceId, kind: order.kind, reason: outcome.reason };
    if (outcome.kind === 'never') {
      log.warn('an order was given up', what);
      await options.onGivenUp(order, outcome.reason);
      return claims.giveUp(order._id, outcome.reason);
    }
    const dueTime = later(order, outcome.afterMs);
    log.info('an order is tried again later', { ...what, dueTime });
    return claims.postpone(order, dueTime, outcome.reason);
  }

  /** What has been done once must not wait for the lease to lapse, only because the database was busy for a moment. */
  async function persist(write: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await write();
      } catch (error) {
        if (attempt === settleAttempts || stopped) throw error;
        await new Promise<void>((resolve) => void clock.after(settlePauseMs * attempt, resolve));
      }
    }
  }

  async function work(order: OrderDocument): Promise<void> {
    const { deviceId, kind, traceParent, dueTime } = order;
    const attributes = { 'iotdh.device_id': deviceId, 'iotdh.order_id': order._id, 'iotdh.order_kind': kind };
    const span = tracing.startSpan(`order ${kind}`, { traceParent, kind: 'producer', attributes });
    const lagMs = clock.now() - dueTime.getTime();
    const release = holdLease(order);
    try {
      const outcome = await carryOut(order);
      await persist(() => settle(order, outcome));
      options.onOutcome?.(order, outcome.kind, lagMs);
      span.end();
    } catch (error) {
      // The database is away. The lease lapses, and then the order is somebody's again.
      log.warn('an order could not be settled', { orderId: order._id, deviceId, error });
      failSpan(span, error);
    } finally {
      release();
    }
  }

  async function look(): Promise<void> {
    try {
      const orders = await claims.claim(maxAtOnce - underWay.size);
      trouble = null;
      for (const order of orders) {
        const working = work(order).finally(() => {
          underWay.delete(working);
          // The device's next order, or another device's.
          wake();
        });
        underWay.add(working);
      }
    } catch (error) {
      if (trouble === null) log.warn('the database does not answer', { error });
      trouble = 'the database does not answer';
    }
  }

  function wake(): void {
    if (stopped) return;
    if (looking !== undefined) {
      again = true;
      return;
    }
    cancelPoll?.();
    looking = look().finally(() => {
      looking = undefined;
      if (stopped) return;
      const soon = again && trouble === null;
      again = false;
      if (soon) wake();
      else cancelPoll = clock.after(pollMs, wake);
    });
  }

  return {
    start: wake,
    wake,
    async stop() {
      stopped = true;
      cancelPoll?.();
      await looking;
      await Promise.all(underWay);
    },
    get trouble() {
      return trouble;
    },
  };
}
