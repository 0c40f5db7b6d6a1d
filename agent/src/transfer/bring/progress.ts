/** How far a transfer has come, over its objects: what is done, and what the object under way adds. */
import type { Progress } from '../outcome.ts';

export type ProgressCount = {
  /** Bytes of finished objects. */
  doneBytes: number;
  /** Bytes that have to be carried, 0 until that is known. */
  totalBytes: number;
  /** Whether the objects are so many bytes that they come over HTTPS rather than by the bus: once they are, the rest does as well. */
  isLarge: boolean;
  /** Bytes of the object under way that count. */
  underWay: () => number;
};

export const createProgressCount = (): ProgressCount => ({
  ...{ doneBytes: 0, totalBytes: 0, isLarge: false },
  underWay: () => 0,
});

export const reached = ({ doneBytes, totalBytes, underWay }: ProgressCount): Progress => ({
  receivedBytes: doneBytes + underWay(),
  totalBytes,
});
