/**
 * Which frames to ask for next. The cloud answers a request with at most as many frames as it names, keeps nothing in mind and
 * may not answer at all; so the device knows what it has asked for, lets that lapse after a while, and asks again.
 */
import type { BitSet, Range } from './bit-set.ts';

export type FrameWindowOptions = {
  /** The frames that need not be asked for; it changes as frames arrive. */
  frames: BitSet;
  /** Most frames on their way at once. IoT Hub holds 50 messages for a device; commands need room too. Default 32. */
  window?: number;
  /**
   * How long without any frame until all that is on its way counts as lost, in ms. Default 10,000, or four times as long as frames
   * keep this device waiting for each other; doubled each time, …
   */
  patienceMs?: number;
  /** … up to this, after which it is asked for again also while frames come: what waits in the backend keeps its place. Default 120,000. */
  maxPatienceMs?: number;
  /** What is learnt of the frames' pace, for the next object too. Default: it is not handed on. */
  pace?: Pace;
  /** 0 to 1, to keep many devices from asking at the same instant. */
  random: () => number;
};

/**
 * How long a frame lets the device wait after the one before it, in ms: at most a few, unless many devices share what the hub sends.
 * Each would ask again and again for frames that wait for their turn, which costs the hub's quota more than the frames do.
 */
export type Pace = { gapMs: number };

/** The frames wanted now, in ascending order, and how many they are. */
export type FrameRequest = { ranges: Range[]; count: number };

export type FrameWindow = {
  /**
   * What to ask for now, or undefined when enough is on its way or nothing is missing. What it returns counts as asked for.
   * `inHand`: how many have come and only wait for the disk; they leave room on the way, up to as many again.
   */
  next(nowMs: number, inHand?: number): FrameRequest | undefined;
  /** A frame has come, asked for or not. */
  arrived(frame: number, nowMs: number): void;
  /** Forgets what is on its way, as after a lost link. */
  reset(): void;
  /** When to call `next` again although nothing has come, in ms; undefined when nothing is on its way. */
  readonly lapsesAtMs: number | undefined;
};

const gapsUntilLost = 4;
/** The contract allows that many ranges in one request. */
const maxRanges = 256;

export function createFrameWindow(options: FrameWindowOptions): FrameWindow {
  const { frames, window = 32, patienceMs = 10_000, maxPatienceMs = 120_000, random } = options;
  const { pace = { gapMs: 0 } } = options;
  const onTheWay = new Set<number>();
  let patience = patient();
  let lapsesAtMs: number | undefined;
  /** Since when the next frame is waited for; undefined: none is. */
  let waitingSinceMs: number | undefined;
  /** Until when the backend keeps what was asked for last. */
  let keptUntilMs = 0;

  function patient(): number {
    return Math.min(Math.max(patienceMs, gapsUntilLost * pace.gapMs), maxPatienceMs);
  }

  function learn(nowMs: number): void {
    const gapMs = nowMs - (waitingSinceMs ?? nowMs);
    pace.gapMs = Math.max(gapMs, pace.gapMs + (gapMs - pace.gapMs) / 4);
  }

  function wait(nowMs: number): void {
    lapsesAtMs = Math.min(nowMs + patience * (1 + random() / 4), keptUntilMs);
  }

  function lapse(nowMs: number): void {
    if (lapsesAtMs === undefined || nowMs < lapsesAtMs) return;
    onTheWay.clear();
    lapsesAtMs = undefined;
    patience = Math.min(patience * 2, maxPatienceMs);
  }

  /** The first `wanted` frames that are neither here nor on their way. */
  function choose(wanted: number): FrameRequest {
    const ranges: Range[] = [];
    let count = 0;
    for (const gap of frames.missing()) {
      for (let frame = gap.first; frame < gap.first + gap.count; frame += 1) {
        if (count === wanted) return { ranges, count };
        if (onTheWay.has(frame)) continue;
        const last = ranges.at(-1);
        if (last !== undefined && last.first + last.count === frame) last.count += 1;
        else if (ranges.length === maxRanges) return { ranges, count };
        else ranges.push({ first: frame, count: 1 });
        count += 1;
      }
    }
    return { ranges, count };
  }

  return {
    get lapsesAtMs() {
      return lapsesAtMs;
    },

    next(nowMs, inHand = 0) {
      lapse(nowMs);
      const coming = onTheWay.size - Math.min(inHand, window, onTheWay.size);
      // Asking for each frame as one arrives would cost a message each. A quarter of a window at a time costs one for 120 units of
      // frames, and leaves the rest of the window on its way for as long as a request needs to be answered.
      if (coming > (window * 3) / 4) return undefined;
      const request = choose(window - coming);
      if (request.count === 0) return undefined;
      waitingSinceMs ??= nowMs;
      for (const { first, count } of request.ranges) {
        for (let frame = first; frame < first + count; frame += 1) onTheWay.add(frame);
      }
      keptUntilMs = nowMs + maxPatienceMs * (1 + random() / 4);
      wait(nowMs);
      return request;
    },

    arrived(frame, nowMs) {
      if (!onTheWay.delete(frame)) return;
      learn(nowMs);
      patience = patient();
      waitingSinceMs = onTheWay.size === 0 ? undefined : nowMs;
      if (onTheWay.size === 0) lapsesAtMs = undefined;
      else wait(nowMs);
    },

    reset() {
      onTheWay.clear();
      lapsesAtMs = undefined;
      waitingSinceMs = undefined;
    },
  };
}
