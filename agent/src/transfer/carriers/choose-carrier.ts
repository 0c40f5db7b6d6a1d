/**
 * Which carrier a request goes to. Of those that the offer allows: a bundle at hand costs nothing and comes first; what is large comes by
 * HTTPS, which the hub does not meter; the rest comes over the hub, where the link is open anyway. A carrier that fails rests for a
 * while, one that brings damaged bytes comes last, and the next one goes on, with the same bitmap: a transfer may change at any frame.
 */
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Frame, type FrameRequest, FrameRequestSchema, type TransferRefused } from '@iotdh/proto/bus/v1';
import type { Clock } from '../clock.ts';
import type { Damage } from '../damage.ts';
import type { AskOutcome, FrameSource } from '../frame-source.ts';
import type { Carrier, CarrierKind } from './carrier.ts';

export type CarrierChoiceOptions = {
  /** Those that this transfer may use and this machine has. */
  carriers: readonly Carrier[];
  /** Whether what is asked for is large. */
  isLarge: () => boolean;
  /** Whether a bundle with this update is known. */
  hasBundle: () => boolean;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** The requests go to another carrier than before; `reason`: why the one before rests, or empty. */
  onChange?(kind: CarrierKind, reason: string): void;
  /** How long the hub may bring nothing until it rests, in ms. Default 30,000. */
  silenceMs?: number;
};

export type CarrierChoice = Required<FrameSource> & {
  /** A frame has come. */
  onFrame(frame: Frame, carrier: CarrierKind): void;
  /**
   * The hub's refusal of a request. True: it is to be asked again later, and whatever else there is goes on. False: it never is.
   * `saidAtMs`: when it was made, by the clock that its time to ask again is of.
   */
  onRefused(refused: TransferRefused, saidAtMs: number): boolean;
  /** A carrier may have come back, such as the hub's link or a bundle that was imported: whatever rests is tried again. */
  wake(): void;
};

const firstRestMs = 2_000;
const maxRestMs = 300_000;
/** Whatever the refusal says, the wait is kept within reason. */
const minRefusedMs = 1_000;
const maxRefusedMs = 3_600_000;

export function createCarrierChoice(options: CarrierChoiceOptions): CarrierChoice {
  const { carriers, isLarge, hasBundle, clock, random, signal, onChange, silenceMs = 30_000 } = options;
  const resting = new Map<CarrierKind, { untilMs: number; times: number }>();
  /** Until when the hub has no quota left. */
  let refusedUntilMs = 0;
  /** Since when the hub has been asked without an answer. */
  let busAskedAtMs: number | undefined;
  let last: CarrierKind | undefined;
  let reason = '';
  /** The frames that a carrier is bringing, which a transfer that has waited for long asks for again. */
  const flying = new Set<string>();

  function rests(kind: CarrierKind): boolean {
    const untilMs = resting.get(kind)?.untilMs ?? 0;
    return Math.max(untilMs, kind === 'bus' ? refusedUntilMs : 0) > clock.monotonicMs();
  }

  function rest(kind: CarrierKind, why: string, ms?: number): void {
    const times = (resting.get(kind)?.times ?? 0) + 1;
    const backOffMs = Math.min(firstRestMs * 2 ** Math.min(times - 1, 10), maxRestMs) * (0.5 + random() / 2);
    resting.set(kind, { untilMs: clock.monotonicMs() + (ms ?? backOffMs), times });
    reason = why;
    if (kind === 'bus') busAskedAtMs = undefined;
  }

  const atHand = () => carriers.filter(({ kind }) => kind !== 'offline' || hasBundle());

  /** The best one first. */
  function inOrder({ timesOf, isSpent }: Damage): readonly Carrier[] {
    const [https, bus] = isLarge() ? [1, 2] : [2, 1];
    const rank: Record<CarrierKind, number> = { offline: 0, https, bus };
    return atHand()
      .filter(({ kind }) => !isSpent(kind))
      .toSorted((a, b) => timesOf(a.kind) - timesOf(b.kind) || rank[a.kind] - rank[b.kind]);
  }

  /** Brings frames of a request one after the other, none that is being brought already. */
  async function bring(carrier: Carrier, request: FrameRequest): Promise<AskOutcome> {
    const { objectDigest, frameSize } = request;
    const name = (frame: number) => nameOf(objectDigest, frame * frameSize);
    const frames = framesOf(request).filter((frame) => !flying.has(name(frame)));
    if (frames.length === 0) return { kind: 'sent' };
    for (const frame of frames) flying.add(name(frame));
    try {
      return await carrier.ask(requestFor(request, frames), signal);
    } finally {
      for (const frame of frames) flying.delete(name(frame));
    }
  }

  return {
    carriers: () => atHand().map(({ kind }) => kind),
    async ask(request, damage): Promise<AskOutcome> {
      if (busAskedAtMs !== undefined && clock.monotonicMs() - busAskedAtMs > silenceMs && atHand().length > 1)
        rest('bus', 'the hub brings nothing');
      if (last !== undefined && damage.timesOf(last) > 0) reason = `${last} brought a segment damaged`;
      for (const carrier of inOrder(damage)) {
        const { kind } = carrier;
        if (rests(kind)) continue;
        if (last !== kind) {
          onChange?.(kind, reason);
          reason = '';
        }
        last = kind;
        if (kind === 'bus') busAskedAtMs ??= clock.monotonicMs();
        const outcome = await (kind === 'bus' ? carrier.ask(request, signal) : bring(carrier, request));
        if (outcome.kind === 'sent') {
          if (kind !== 'bus') resting.delete(kind);
          return outcome;
        }
        if (signal.aborted) return { kind: 'offline' };
        if (outcome.kind === 'refused') rest(kind, outcome.reason);
        else rest(kind, `${kind} is out of reach`, outcome.retryMs);
        // It may have brought some of the frames before it failed: only the transfer knows which are lacking now.
        if (kind !== 'bus') return { kind: 'offline' };
      }
      return { kind: 'offline' };
    },
    onFrame({ objectDigest, offset }, carrier) {
      // It may be asked for once more while the rest of its request is still coming: its segment may not match.
      flying.delete(nameOf(objectDigest, Number(offset)));
      if (carrier !== 'bus') return;
      busAskedAtMs = undefined;
      resting.delete('bus');
    },
    onRefused({ retryTime }, saidAtMs) {
      busAskedAtMs = undefined;
      if (retryTime === undefined) return false;
      // Not by our own clock: a machine whose clock is a day ahead would ask every second, and be refused by a message each time.
      const waitMs = Math.min(Math.max(timestampMs(retryTime) - saidAtMs, minRefusedMs), maxRefusedMs);
      refusedUntilMs = clock.monotonicMs() + waitMs;
      reason = 'the hub has no quota left for updates';
      return true;
    },
    wake() {
      for (const [kind, { times }] of resting) resting.set(kind, { untilMs: 0, times });
    },
  };
}

const nameOf = (objectDigest: Uint8Array, offset: number): string =>
  `${Buffer.from(objectDigest).toString('hex')} ${offset}`;

function framesOf({ missing }: FrameRequest): number[] {
  if (missing.case !== 'ranges') return [];
  return missing.value.ranges.flatMap(({ first, count }) =>
    Array.from({ length: count }, (_, index) => Number(first) + index),
  );
}

/** The same request for fewer frames, which are in ascending order. */
function requestFor(request: FrameRequest, frames: readonly number[]): FrameRequest {
  const ranges: { first: bigint; count: number }[] = [];
  for (const frame of frames) {
    const last = ranges.at(-1);
    if (last !== undefined && Number(last.first) + last.count === frame) last.count += 1;
    else ranges.push({ first: BigInt(frame), count: 1 });
  }
  const { transferId, objectDigest, frameSize, window, receivedBytes } = request;
  const missing = { case: 'ranges' as const, value: { ranges } };
  return create(FrameRequestSchema, { transferId, objectDigest, frameSize, window, receivedBytes, missing });
}
