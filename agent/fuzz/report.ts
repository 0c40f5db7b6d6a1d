/** What is asked of a fuzz run, and what it answers. */

export type FuzzOptions = {
  inputs: number;
  /** The same seed makes the same inputs. */
  seed: number;
  signal: AbortSignal;
  progress?(done: number): void;
};

/** How many inputs were accepted, and how many were refused. */
export type FuzzReport = { inputs: number; accepted: number; refused: number };

/** An input breaks what must hold. */
export class FuzzFailure extends Error {}
