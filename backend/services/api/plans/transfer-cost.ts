/** What it takes to bring objects to one device over the bus, message by message, as agent and updater do it. */
import { createFrameUnits } from '../../../shared/quota/metered.ts';

export type TransferCost = {
  frames: number;
  /** Units of 4 KiB of these frames. */
  frameUnits: number;
  /** Requests for frames, each of which counts as one unit; an average over devices, and so no whole number. */
  requests: number;
};

/** Most frames that a device has on their way, unless it is configured otherwise. */
const frameWindow = 32;
const quarter = frameWindow / 4;
/** A device asks again after so long while what it asked for waits for its turn: two minutes and up to a quarter more. */
const keptMs = 135_000;
/** Before the first frame has come it does not know yet how long that takes, and asks after ten seconds, twenty, forty … and a bit. */
const firstPatienceMs = 11_250;

/**
 * Requests for an object of so many frames: a window at first, then a quarter of one each time so much has come. `gapMs`: how long a
 * device waits for each frame while others share what the hub sends.
 */
export function requestsFor(frames: number, gapMs = 0): number {
  if (frames <= 0) return 0;
  if (quarter * gapMs >= keptMs) return 1 + Math.floor(((frames - 1) * gapMs) / keptMs);
  const rest = Math.max(0, frames - frameWindow);
  const last = rest === 0 ? frames : frameWindow - quarter + ((rest - 1) % quarter) + 1;
  return 1 + Math.ceil(rest / quarter) + Math.floor((last * gapMs) / keptMs);
}

/** How often a device asks in vain before its very first frame comes, on average over all: the last one has waited for `gapMs`. */
export function requestsBeforeFirst(gapMs: number): number {
  let requests = 0;
  let patienceMs = firstPatienceMs;
  for (let atMs = patienceMs; atMs < gapMs; atMs += patienceMs) {
    requests += 1 - atMs / gapMs;
    patienceMs = Math.min(patienceMs * 2, keptMs);
  }
  return requests;
}

/** Adds up objects of these sizes. */
export type CostOf = (objectBytes: Iterable<number>, deviceId: string) => TransferCost;

export function createTransferCost(frameSize: number, gapMs = 0): CostOf {
  const unitsOf = createFrameUnits();
  return (objectBytes, deviceId) => {
    const cost: TransferCost = { frames: 0, frameUnits: 0, requests: 0 };
    for (const bytes of objectBytes) {
      const full = Math.floor(bytes / frameSize);
      const rest = bytes - full * frameSize;
      const frames = full + (rest > 0 ? 1 : 0);
      cost.frames += frames;
      cost.frameUnits += full * unitsOf(frameSize, deviceId) + (rest > 0 ? unitsOf(rest, deviceId) : 0);
      cost.requests += requestsFor(frames, gapMs);
    }
    if (cost.frames > 0) cost.requests += requestsBeforeFirst(gapMs);
    return cost;
  };
}
