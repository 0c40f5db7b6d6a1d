/** What a benchmark is to `main.ts`: a folder here exports one from its `bench.ts`, and `benches.ts` lists it. */
import type { Row } from './results.ts';

export type RunOptions = {
  /** Turns of each measurement; medians are recorded. */
  rounds: number;
  /** Small sizes, to see that the benchmark itself works; they say nothing about speed. */
  quick: boolean;
  /** Also the sizes that take minutes and gigabytes. */
  large?: boolean;
  /** Of the deltas: the pairs of releases by name. Default: all of that size. */
  pairs?: readonly string[];
  /** Of the deltas: how long one command of a peer may take. */
  limitSeconds?: number;
  progress: (line: string) => void;
};

export type Bench = {
  /** The section in RESULTS.md. */
  title: string;
  /** What ours is compared with, in words. */
  peer: string;
  /** How the figures come from the rounds, as a sentence. Default: medians. */
  method?: string;
  run(options: RunOptions): Promise<Row[]>;
};
