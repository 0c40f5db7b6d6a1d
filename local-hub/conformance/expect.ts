/** What the tests wait for and assert: the SDK's own error classes by name, events in number, and a limit to every wait. */
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';

/** Longer than anything here takes on a loaded machine, shorter than the patience of whoever watches a hanging test. */
const patienceMs = 10_000;

/** Fails after `limitMs` with what was being waited for. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  limitMs = patienceMs,
): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what}: nothing after ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The error that `promise` rejects with, whose name must be `name`. By name and not by class, because the SDKs carry several
 * copies of azure-iot-common, so that `instanceof` fails across them.
 */
export async function failsWith(name: string, promise: Promise<unknown>): Promise<SdkError> {
  const error = await within(
    `a failure with ${name}`,
    promise.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.ok(error instanceof Error, `expected ${name}, but it succeeded`);
  assert.equal(error.name, name, error.message);
  return error;
}

/** An error as the SDKs raise it. */
export type SdkError = Error & { responseBody?: string; response?: { statusCode?: number } };

/** A list that a test can wait on: every item that `add` got, in order. */
export type Arrivals<Item> = {
  readonly all: readonly Item[];
  add(item: Item): void;
  /** Resolves when `count` items have arrived since the beginning. */
  count(count: number, limitMs?: number): Promise<readonly Item[]>;
  /** Resolves with the first item, past or future, that fits. */
  find(fits: (item: Item) => boolean, limitMs?: number): Promise<Item>;
  /** Resolves when `enough` says so; it is asked now and after every arrival. */
  until(enough: () => boolean, limitMs?: number): Promise<void>;
};

export function createArrivals<Item>(what: string): Arrivals<Item> {
  const all: Item[] = [];
  const waiting = new Set<() => void>();

  async function until(enough: () => boolean, limitMs?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (enough()) resolve();
    };
    waiting.add(look);
    look();
    try {
      await within(what, promise, limitMs);
    } catch (error) {
      throw new Error(`${what}: ${all.length} have come`, { cause: error });
    } finally {
      waiting.delete(look);
    }
  }

  return {
    all,
    add(item) {
      all.push(item);
      for (const look of waiting) look();
    },
    async count(count, limitMs) {
      await until(() => all.length >= count, limitMs);
      return all;
    },
    async find(fits, limitMs) {
      let looked = 0;
      let found: Item | undefined;
      await until(() => {
        for (; found === undefined && looked < all.length; looked += 1) {
          const item = all[looked];
          if (item !== undefined && fits(item)) found = item;
        }
        return found !== undefined;
      }, limitMs);
      return found as Item;
    },
    until,
  };
}

/** Everything that `emitter` says under `event`, from now on. */
export function arrivalsOf<Item>(emitter: EventEmitter, event: string): Arrivals<Item> {
  const arrivals = createArrivals<Item>(`event '${event}'`);
  emitter.on(event, (item: Item) => arrivals.add(item));
  return arrivals;
}

/** Resolves with what `ask` answers once that is not undefined; asks every 20 ms. For what nothing announces. */
export async function eventually<Value>(
  what: string,
  ask: () => Value | undefined | Promise<Value | undefined>,
  limitMs = patienceMs,
): Promise<Value> {
  const endsMs = performance.now() + limitMs;
  for (;;) {
    const value = await ask();
    if (value !== undefined) return value;
    if (performance.now() > endsMs) throw new Error(`${what}: not so after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
