/**
 * Counts what devices send against the hub's quota, by the hub's day, so that the account of the quota knows what telemetry
 * uses. An estimate: it is written now and then, and what is read again after a restart counts again.
 */
import type { Clock } from '../../shared/clock.ts';
import type { Collections } from '../../shared/database/collections.ts';
import type { Log } from '../../shared/log.ts';
import { dayOf } from '../../shared/quota/account.ts';
import { d2cUnits } from '../../shared/quota/metered.ts';

export type TelemetryUseOptions = {
  collection: Pick<Collections['telemetryUse'], 'updateOne'>;
  clock: Clock;
  log: Log;
  /** Default 5 s. */
  everyMs?: number;
};

export type TelemetryUse = {
  /** A message that a device sent, with the hub's time of it. */
  count(bytes: number, enqueuedTime: Date): void;
  /** Writes what is left; never rejects. */
  stop(): Promise<void>;
};

export function createTelemetryUse(options: TelemetryUseOptions): TelemetryUse {
  const { collection, clock, log, everyMs = 5_000 } = options;
  const days = new Map<string, { messages: number; units: number }>();
  let cancel: (() => void) | undefined;
  let writing: Promise<void> | undefined;

  function add(day: string, messages: number, units: number): void {
    const known = days.get(day);
    days.set(day, { messages: (known?.messages ?? 0) + messages, units: (known?.units ?? 0) + units });
  }

  async function write(): Promise<void> {
    cancel = undefined;
    for (const [day, { messages, units }] of [...days]) {
      days.delete(day);
      try {
        const time = new Date(clock.now());
        await collection.updateOne(
          { _id: day },
          { $inc: { messages, units }, $set: { time } },
          { upsert: true },
        );
      } catch (error) {
        add(day, messages, units);
        log.debug('the use of the quota was not written; it is written later', { error });
      }
    }
  }

  return {
    count(bytes, enqueuedTime) {
      add(dayOf(enqueuedTime), 1, d2cUnits(bytes));
      cancel ??= clock.after(everyMs, () => {
        writing = write();
      });
    },
    async stop() {
      cancel?.();
      await writing;
      await write();
    },
  };
}
