/**
 * Stores the events of the partitions for as long as it takes: it waits while the database is away, so that nothing is lost,
 * and sets aside the one message that cannot be stored, so that nothing waits for it.
 */
import { Binary } from 'mongodb';
import type { Clock } from '../../shared/clock.ts';
import type { Database } from '../../shared/database/connect.ts';
import type { Log } from '../../shared/log.ts';
import type { Incoming } from './incoming.ts';
import { keepAside, type Stored, type StoreOptions, storeBatch } from './store-batch.ts';
import { describe, mayPass } from './surroundings.ts';

export type PartitionStoreOptions = {
  database: Database;
  store: Omit<StoreOptions, 'points'> & { points: Omit<StoreOptions['points'], 'pause'> };
  clock: Clock;
  log: Log;
  retry: { firstMs: number; longestMs: number };
  /** How often one message is tried by itself before it is set aside. */
  maxAttempts: number;
  /** Told of each failure with its reason, and with null once it works again. */
  onTrouble: (reason: string | null) => void;
};

/** Somebody else goes on with it. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Resolves after `ms`. Rejects with Interrupted when the signal comes first. */
export function pauseUnless(clock: Clock, signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      cancel();
      reject(new Interrupted('stopped while it waited'));
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

const nothing: Stored = { setAside: [], duplicates: 0, lostLines: 0, lostMeasurements: 0 };

function sum(a: Stored, b: Stored): Stored {
  return {
    setAside: [...a.setAside, ...b.setAside],
    duplicates: a.duplicates + b.duplicates,
    lostLines: a.lostLines + b.lostLines,
    lostMeasurements: a.lostMeasurements + b.lostMeasurements,
  };
}

export type PartitionStore = (batch: readonly Incoming[], signal: AbortSignal) => Promise<Stored>;

/** The answer resolves when the whole batch is durable, and rejects with Interrupted when the signal ends the wait for that. */
export function createPartitionStore(options: PartitionStoreOptions): PartitionStore {
  const { database, store, clock, log, retry, maxAttempts, onTrouble } = options;

  /** Tries until it works or is refused. */
  async function persist<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ done: T } | { refused: unknown }> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const done = await work();
        if (attempt > 0) log.info('the database works again', { attempts: attempt + 1 });
        onTrouble(null);
        return { done };
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        if (!mayPass(error)) return { refused: error };
        const ms = Math.min(retry.longestMs, retry.firstMs * 2 ** Math.min(attempt, 20));
        // Once for each outage, not for each attempt.
        if (attempt === 0) log.warn('the database is away; events wait in the hub', { error });
        onTrouble(`the database is away: ${describe(error)}`);
        await pauseUnless(clock, signal, ms);
      }
    }
  }

  async function storeOne(incoming: Incoming, signal: AbortSignal): Promise<Stored> {
    let refused: unknown;
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const outcome = await persist(() => storeBatch(withPause(signal), [incoming]), signal);
      if ('done' in outcome) return outcome.done;
      refused = outcome.refused;
    }
    const { position, deviceId, enqueuedTime } = incoming;
    log.error('a message cannot be stored and is set aside', { position, deviceId, error: refused });
    const document = {
      _id: position,
      deviceId,
      reason: `it could not be stored: ${describe(refused)}`,
      body: new Binary('body' in incoming ? incoming.body : new Uint8Array()),
      enqueuedTime,
      time: new Date(clock.now()),
    };
    await persist(() => keepAside(database, [document]), signal);
    return { ...nothing, setAside: [document] };
  }

  function withPause(signal: AbortSignal): StoreOptions {
    return { ...store, points: { ...store.points, pause: (ms) => pauseUnless(clock, signal, ms) } };
  }

  return async (batch, signal) => {
    const outcome = await persist(() => storeBatch(withPause(signal), batch), signal);
    if ('done' in outcome) return outcome.done;
    // One of them is at fault: by itself each shows whether it is the one.
    let total = nothing;
    for (const incoming of batch) total = sum(total, await storeOne(incoming, signal));
    return total;
  };
}
