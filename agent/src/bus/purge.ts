/**
 * The direct method `cloudtodevicepurge`: drains what the hub holds for this device. A device cannot look into its queue, but
 * the hub pushes all of it to a device that is connected; so everything that comes is dropped until nothing has come for a while.
 */
import type { Clock } from './clock.ts';
import type { Inbox } from './inbox.ts';

export const purgeMethod = 'cloudtodevicepurge';

export type PurgeOptions = {
  inbox: Inbox;
  clock: Clock;
  /** How long nothing must come, in ms. Default 500. */
  quietMs?: number;
  /** How long it may take, in ms. Default 10,000; a caller waits for 30 s by default. */
  maxMs?: number;
};

/** How many messages were dropped, under the name that IoT Hub's own purge has for it. */
export type PurgeAnswer = { totalMessagesPurged: number };

/** Calls that overlap share one purge. */
export function createPurge(options: PurgeOptions): () => Promise<PurgeAnswer> {
  const { inbox, clock, quietMs = 500, maxMs = 10_000 } = options;
  let running: Promise<PurgeAnswer> | undefined;
  const quiet = () => new Promise<void>((resolve) => void clock.after(quietMs, resolve));

  async function purge(): Promise<PurgeAnswer> {
    inbox.beginPurge();
    for (let spentMs = 0, before = -1; spentMs < maxMs && before !== inbox.purged; spentMs += quietMs) {
      before = inbox.purged;
      await quiet();
    }
    inbox.endPurge();
    return { totalMessagesPurged: inbox.purged };
  }

  return () => {
    running ??= purge().finally(() => {
      running = undefined;
    });
    return running;
  };
}
