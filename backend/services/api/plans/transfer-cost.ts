/** What it takes to bring objects to one device over the bus, message by message, as agent and updater do it. */
import { createFrameUnits } from '../../../shared/quota/metered.ts';

export type TransferCost = {
  frames: number;
  /** Units of 4 KiB of these frames. */
  frameUnits: number;
  /** Requests for frames, each of which counts as one unit. */
  requests: number;
};

/** Most frames that a device has on their way, unless it is configured otherwise. */
const frameWindow = 32;

/** Requests for an object of so many frames: a window at first, then a quarter of one each time so much has come. */
export function requestsFor(frames: number, window = frameWindow): number {
  if (frames <= 0) return 0;
  return 1 + Math.ceil(Math.max(0, frames - window) / Math.max(1, Math.floor(window / 4)));
}

/** Adds up objects of these sizes. */
export type CostOf = (objectBytes: Iterable<number>, deviceId: string) => TransferCost;

export function createTransferCost(frameSize: number): CostOf {
  const unitsOf = createFrameUnits();
  return (objectBytes, deviceId) => {
    const cost: TransferCost = { frames: 0, frameUnits: 0, requests: 0 };
    for (const bytes of objectBytes) {
      const full = Math.floor(bytes / frameSize);
      const rest = bytes - full * frameSize;
      const frames = full + (rest > 0 ? 1 : 0);
      cost.frames += frames;
      cost.frameUnits += full * unitsOf(frameSize, deviceId) + (rest > 0 ? unitsOf(rest, deviceId) : 0);
      cost.requests += requestsFor(frames);
    }
    return cost;
  };
}
