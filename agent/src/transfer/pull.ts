/** Brings one object's bytes into its spool: asks, takes what comes, commits now and then, until every segment counts. */
import { create } from '@bufbuild/protobuf';
import {
  type Frame,
  type FrameRequest,
  FrameRequestSchema,
  TransferRefusal,
  type TransferRefused,
} from '@iotdh/proto/bus/v1';
import type { CarrierKind } from './carriers/carrier.ts';
import type { Clock } from './clock.ts';
import { createDamage } from './damage.ts';
import type { FrameSource } from './frame-source.ts';
import { createFrameWindow, type Pace } from './frame-window.ts';
import type { Failure, Pause } from './outcome.ts';
import type { Spool } from './spool.ts';

export type PullOptions = {
  transferId: string;
  objectDigest: Uint8Array;
  spool: Spool;
  source: FrameSource;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** Most frames on their way at once, 1 to 32. Default 32. */
  window?: number;
  patienceMs?: number;
  /** Of the frames before these. */
  pace?: Pace;
  /** How often the same segment may arrive damaged by each carrier. Default 5. */
  maxCorrupt?: number;
  /** Bytes of the transfer that count, for display. */
  receivedBytes(): number;
  /** A frame that was not here yet has been written. */
  onTaken?(bytes: number, carrier: CarrierKind): void;
  /** Called after each commit. */
  onCommitted(): void;
};

export type Pull = {
  /**
   * A frame of this object in this transfer, whose bytes nobody else uses any more. Resolves when the next one may come: at once,
   * unless the disk falls behind.
   */
  onFrame(frame: Frame, carrier: CarrierKind): Promise<void>;
  /** The backend will not send it, and does not say when to ask again. */
  onRefused(refused: TransferRefused): void;
  /** A bundle was imported: what was wrong with the one before says nothing of it. */
  onBundle(): void;
  /** The link has been lost and is back: what was on its way may never come. */
  onLinkOpen(): void;
  /** Once. Rejects when the disk or the source is broken, or the disk is full. */
  run(): Promise<{ kind: 'complete' } | Pause | Failure>;
};

/** What is verified is flushed after so many frames, or when the first of them has waited so long. */
const commitFrames = 64;
const commitAfterMs = 500;
/** When the hub did not take a request, the next one is made after this, or when the link is back. */
const askAgainMs = 1_000;

export function createPull(options: PullOptions): Pull {
  const { spool, source, clock, signal, maxCorrupt = 5, window: size = 32, patienceMs = 10_000 } = options;
  const window = createFrameWindow({
    frames: spool.frames,
    window: size,
    patienceMs,
    random: options.random,
    ...(options.pace && { pace: options.pace }),
  });
  /** Frames that came and are not on disk yet; whoever brings one while there are many waits for its turn. */
  const arrivals: { frame: Frame; carrier: CarrierKind; done(): void }[] = [];
  const damage = createDamage({
    layout: spool.layout,
    isVerified: spool.isVerified,
    maxTimes: maxCorrupt,
  });
  let failure: Failure | undefined;
  let broken: { error: unknown } | undefined;
  let offlineUntilMs = 0;
  let uncommitted = 0;
  let commitAtMs = Number.POSITIVE_INFINITY;
  let committing: Promise<void> | undefined;
  let wake = () => {};
  let over = false;

  async function take({ offset, data }: Frame, carrier: CarrierKind): Promise<void> {
    const outcome = await spool.accept(Number(offset), data);
    if (outcome.kind === 'misplaced' || outcome.kind === 'wrong_length') return;
    const index = Number(offset) / spool.layout.frameSize;
    window.arrived(index, clock.monotonicMs());
    if (outcome.kind === 'duplicate') return;
    damage.brought(index, carrier);
    options.onTaken?.(data.length, carrier);
    uncommitted += 1;
    if (uncommitted === 1) commitAtMs = clock.monotonicMs() + commitAfterMs;
    if (outcome.kind !== 'corrupt') return;
    for (const segment of outcome.segments) {
      const times = damage.found(segment);
      const carriers = source.carriers?.() ?? ['bus'];
      if (carriers.every(damage.isSpent)) failure ??= damaged(segment, times);
    }
  }

  function damaged(segment: number, times: ReadonlyMap<CarrierKind, number>): Failure {
    const by = [...times].map(([carrier, count]) => `${count} times by ${carrier}`).join(', ');
    const next = times.has('offline')
      ? 'export the bundle again and import it, or assign the update'
      : 'what the storage has of it is damaged';
    const detail = `segment ${segment} of object ${hexOf(options.objectDigest)} arrived damaged ${by}: ${next}`;
    return { kind: 'failed', reason: 'corrupt', detail };
  }

  async function commit(): Promise<void> {
    const before = spool.countedBytes;
    uncommitted = 0;
    commitAtMs = Number.POSITIVE_INFINITY;
    await spool.commit();
    if (spool.countedBytes !== before) options.onCommitted();
  }

  /** Commits while further frames are taken: a flush takes as long as several of them need to come. */
  function beginCommit(): void {
    committing = commit()
      .catch((error: unknown) => {
        broken = { error };
      })
      .finally(() => {
        committing = undefined;
        wake();
      });
  }

  function ask(nowMs: number): void {
    if (signal.aborted || nowMs < offlineUntilMs) return;
    const wanted = window.next(nowMs, arrivals.length);
    if (wanted === undefined) return;
    source.ask(requestFor(wanted.ranges), damage).then(
      ({ kind }) => {
        if (kind === 'sent') return;
        window.reset();
        offlineUntilMs = clock.monotonicMs() + askAgainMs;
        wake();
      },
      (error: unknown) => {
        broken = { error };
        wake();
      },
    );
  }

  function requestFor(ranges: { first: number; count: number }[]): FrameRequest {
    const { transferId, objectDigest } = options;
    return create(FrameRequestSchema, {
      transferId,
      objectDigest,
      frameSize: spool.layout.frameSize,
      missing: {
        case: 'ranges',
        value: { ranges: ranges.map(({ first, count }) => ({ first: BigInt(first), count })) },
      },
      window: size,
      receivedBytes: BigInt(options.receivedBytes()),
    });
  }

  /** Waits until something has happened or is due; `nowMs`: when it was last looked whether to ask. */
  function rest(nowMs: number): Promise<void> {
    const dueMs = Math.min(
      committing === undefined ? commitAtMs : Number.POSITIVE_INFINITY,
      window.lapsesAtMs ?? Number.POSITIVE_INFINITY,
      // By the same reading of the clock that put it off: a moment that has passed since would be waited for without end.
      offlineUntilMs > nowMs ? offlineUntilMs : Number.POSITIVE_INFINITY,
    );
    return new Promise((resolve) => {
      const cancel = Number.isFinite(dueMs)
        ? clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => wake())
        : undefined;
      wake = () => {
        cancel?.();
        wake = () => {};
        resolve();
      };
      if (arrivals.length > 0 || signal.aborted || failure !== undefined || broken !== undefined) wake();
    });
  }

  async function work(): Promise<{ kind: 'complete' } | Pause | Failure> {
    for (;;) {
      for (let next = arrivals.shift(); next !== undefined; next = arrivals.shift()) {
        try {
          await take(next.frame, next.carrier);
        } finally {
          giveBack(next.frame.data);
          next.done();
        }
        if (uncommitted >= commitFrames && committing === undefined) break;
      }
      const full = spool.frames.count === spool.frames.size;
      if (full || signal.aborted) {
        await committing;
        if (broken === undefined) await commit();
      } else if (
        committing === undefined &&
        (uncommitted >= commitFrames || clock.monotonicMs() >= commitAtMs)
      ) {
        beginCommit();
      }
      if (spool.complete) return { kind: 'complete' };
      if (broken !== undefined) throw broken.error;
      if (failure !== undefined) return failure;
      if (signal.aborted) return { kind: 'paused', reason: 'aborted' };
      const nowMs = clock.monotonicMs();
      ask(nowMs);
      await rest(nowMs);
    }
  }

  function onLinkOpen(): void {
    window.reset();
    offlineUntilMs = 0;
    wake();
  }

  return {
    onFrame(frame, carrier) {
      if (over) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      arrivals.push({ frame, carrier, done: resolve });
      // Not only once it is on disk: a write may wait for a flush, and the link must not wait with it.
      ask(clock.monotonicMs());
      wake();
      return arrivals.length < size ? Promise.resolve() : promise;
    },
    onRefused({ refusal }) {
      // It knows of none that was withdrawn, and the word of that may come later than this.
      const isGone = refusal === TransferRefusal.UNKNOWN_TRANSFER;
      const reason = isGone ? 'withdrawn' : 'refused';
      failure = { kind: 'failed', reason, detail: `the backend says ${nameOf(refusal)}` };
      wake();
    },
    onBundle() {
      damage.forgive('offline');
      onLinkOpen();
    },
    onLinkOpen,
    async run() {
      const abort = () => wake();
      signal.addEventListener('abort', abort);
      try {
        return await work();
      } finally {
        over = true;
        await committing;
        signal.removeEventListener('abort', abort);
        for (const { done } of arrivals) done();
      }
    },
  };
}

/**
 * Frees memory that V8 would free when it collects, by when there are ten MB more of it. What is small may lie in the pool of
 * node:buffer, together with others; no Buffer has as much as half of that.
 */
function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength > buffer.byteLength / 2) buffer.transfer(0);
}

const nameOf = (refusal: TransferRefusal): string =>
  Object.keys(TransferRefusal).find(
    (name) => TransferRefusal[name as keyof typeof TransferRefusal] === refusal,
  ) ?? String(refusal);

const hexOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
