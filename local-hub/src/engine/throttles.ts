/**
 * Operation throttles and the daily message quota, as IoT Hub enforces them per SKU and unit count ("Reference - IoT Hub
 * quotas and throttling"): excess is first delayed, then refused.
 *
 * Who takes: whatever the engine does asynchronously (sends, receives, twin updates, method calls, uploads, connections)
 * takes by itself. What it answers at once (`registry`, `query`, `twinRead`) is taken by the front-end, which also meters
 * the twin that it sends.
 */
import type { Store } from '../store/store.ts';
import type { Clock, Timer } from './clock.ts';
import { HubError } from './error.ts';
import type { Faults } from './faults.ts';
import { limitsOf, type ThrottleKind, type ThrottleProfile } from './throttle-limits.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';

export type { Sku, ThrottleKind, ThrottleProfile } from './throttle-limits.ts';

/** What the daily quota counts. */
export type MeterKind = 'd2c' | 'c2d' | 'twin' | 'method' | 'fileUpload';

/** The quota's account of one UTC day. */
export type QuotaLedger = {
  /** `YYYY-MM-DD`. */
  day: string;
  /** Messages, counted in chunks of `chunkBytes`. */
  messages: number;
  byKind: Record<MeterKind, number>;
  /** How many messages or calls they were, whatever their size: what the rates count. */
  operationsByKind: Record<MeterKind, number>;
  /** Undefined when throttles are off. */
  limit: number | undefined;
  chunkBytes: number;
};

export type Throttles = {
  readonly profile: ThrottleProfile;
  /**
   * Resolves when the operation may go on, in order per kind. Rejects with HubError `Throttled` when it would wait longer
   * than `maxShapeMs`, or when a fault says so for `deviceId`. `cost` defaults to 1 (bytes for `methodBytes`).
   */
  take(kind: ThrottleKind, cost?: number, deviceId?: string): Promise<void>;
  /** Counts `bytes` against the daily quota, at least one chunk; throws HubError `QuotaExceeded` when it is used up. */
  meter(bytes: number, kind: MeterKind): void;
  ledger(): QuotaLedger;
  /** What was too fast since the hub started, of the kinds that have a limit: delayed, or refused. */
  excess(): Partial<Record<ThrottleKind, { delayed: number; refused: number }>>;
  /** Writes the ledger and stops the timers; waiting operations are refused. */
  stop(): Promise<void>;
};

export type ThrottlesOptions = {
  /** `off` still counts, but limits nothing. */
  profile: ThrottleProfile;
  store: Pick<Store, 'documents'>;
  clock: Clock;
  faults: Pick<Faults, 'take'>;
  /** How long excess is delayed before it is refused. Default 10 s: SDKs send again after about 30 s. */
  maxShapeMs?: number;
  /** How much unused capacity is saved for bursts. Default one minute's, the range in which IoT Hub applies its limits. */
  burstMs?: number;
};

type LedgerDocument = {
  dayNumber: number;
  messages: number;
  byKind: Record<MeterKind, number>;
  operationsByKind: Record<MeterKind, number>;
};

const dayMs = 86_400_000;
/** A ledger on disk is at most this old: a crash forgets what was counted since. */
const saveEveryMs = 1000;
const ledgerId = 'quota';
const offLimits = { perSecond: {}, dailyMessages: undefined, chunkBytes: 4096 } as const;
const done = Promise.resolve();

const nothingByKind = (): Record<MeterKind, number> => ({
  d2c: 0,
  c2d: 0,
  twin: 0,
  method: 0,
  fileUpload: 0,
});

function emptyLedger(dayNumber: number): LedgerDocument {
  return { dayNumber, messages: 0, byKind: nothingByKind(), operationsByKind: nothingByKind() };
}

function throttled(kind: ThrottleKind, why: string): HubError {
  return new HubError(
    'Throttled',
    `The hub's rate limit for ${kind} is exceeded (${why}). Wait, then try again more slowly`,
  );
}

/** Opens the throttles with today's ledger. Throws HubError `ArgumentInvalid` for an impossible profile. */
export function openThrottles(options: ThrottlesOptions): Throttles {
  const { profile, store, clock, faults, maxShapeMs = 10_000, burstMs = 60_000 } = options;
  const limits = profile === 'off' ? offLimits : limitsOf(profile);
  const buckets = new Map<ThrottleKind, TokenBucket>();
  for (const [kind, perSecond] of Object.entries(limits.perSecond)) {
    if (perSecond === Number.POSITIVE_INFINITY) continue;
    const bucket = createTokenBucket({ clock, perSecond, burstMs, maxWaitMs: maxShapeMs });
    buckets.set(kind as ThrottleKind, bucket);
  }
  const name = profile === 'off' ? 'off' : `${profile.sku} with ${profile.units} unit(s)`;

  const today = () => Math.floor(clock.now() / dayMs);
  let ledger = emptyLedger(today());
  for (const { id, value } of store.documents.load<LedgerDocument>('ledger')) {
    // A hub of an earlier version did not count operations.
    if (id === ledgerId && value.dayNumber === ledger.dayNumber) ledger = { ...ledger, ...value };
  }
  let saveTimer: Timer | undefined;

  async function save(): Promise<void> {
    saveTimer = undefined;
    // The disk's failure is told to those whose messages it loses; the count is written again with the next message.
    await store.documents.put('ledger', ledgerId, ledger).catch(() => {});
  }

  function rollOver(): void {
    const dayNumber = today();
    if (dayNumber !== ledger.dayNumber) ledger = emptyLedger(dayNumber);
  }

  async function shaped(kind: ThrottleKind, turn: Promise<boolean>): Promise<void> {
    if (await turn) return;
    throw throttled(kind, name);
  }

  return {
    profile,
    take(kind, cost = 1, deviceId) {
      if (faults.take('throttle', deviceId) !== undefined) {
        return Promise.reject(throttled(kind, 'an injected fault'));
      }
      const bucket = buckets.get(kind);
      return bucket === undefined ? done : shaped(kind, bucket.take(cost));
    },
    meter(bytes, kind) {
      rollOver();
      if (limits.dailyMessages !== undefined && ledger.messages >= limits.dailyMessages) {
        throw new HubError(
          'QuotaExceeded',
          `The hub's quota of ${limits.dailyMessages} messages a day (${name}) is used up. It begins anew at 00:00 UTC; more units give more`,
        );
      }
      const messages = Math.max(1, Math.ceil(bytes / limits.chunkBytes));
      ledger.messages += messages;
      ledger.byKind[kind] += messages;
      ledger.operationsByKind[kind] += 1;
      saveTimer ??= clock.setTimeout(() => void save(), saveEveryMs);
    },
    ledger() {
      rollOver();
      return {
        day: new Date(ledger.dayNumber * dayMs).toISOString().slice(0, 10),
        messages: ledger.messages,
        byKind: { ...ledger.byKind },
        operationsByKind: { ...ledger.operationsByKind },
        limit: limits.dailyMessages,
        chunkBytes: limits.chunkBytes,
      };
    },
    excess: () => Object.fromEntries([...buckets].map(([kind, bucket]) => [kind, { ...bucket.excess }])),
    async stop() {
      for (const bucket of buckets.values()) bucket.stop();
      if (saveTimer === undefined) return;
      clock.clearTimeout(saveTimer);
      await save();
    },
  };
}
