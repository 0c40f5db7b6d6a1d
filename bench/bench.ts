/** What a benchmark is to `main.ts`: a folder here exports one from its `bench.ts`, and `benches.ts` lists it. */
import type { Row } from './results.ts';

export type RunOptions = {
  /** Turns of each measurement; medians are recorded. */
  rounds: number;
  /** Small sizes, to see that the benchmark itself works; they say nothing about speed. */
  quick: boolean;
  /** Also the sizes that take minutes and gigabytes. */
  large?: boolean;
  /** Of the deltas: the pairs of releases by name, large or not. Default: all, the large ones if `large`. */
  pairs?: readonly string[];
  /** Of the deltas: how much CPU one command may take. */
  limitSeconds?: number;
  progress: (line: string) => void;
};

/** Most find rows; one whose figures do not fit them writes its own Markdown. */
export type Bench<Found extends Row[] | string = Row[]> = {
  /** The section in RESULTS.md. */
  title: string;
  /** What ours is compared with, in words. */
  peer: string;
  /** How the figures come from the rounds, as a sentence. Default: medians. */
  method?: string;
  run(options: RunOptions): Promise<Found>;
};
