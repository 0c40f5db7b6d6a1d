/** One input after the other, each made from the seed and its number, for whatever is fuzzed in this process. */
import { createRandom, type Random } from './random.ts';

export type FuzzOptions = {
  inputs: number;
  /** The same seed makes the same inputs. */
  seed: number;
  signal: AbortSignal;
  /** How many inputs are done, every ten seconds. */
  progress?(done: number): void;
};

/** How many inputs were accepted, and how many were refused. */
export type FuzzReport = { inputs: number; accepted: number; refused: number };

/** An input breaks what must hold. */
export class FuzzFailure extends Error {}

export type Trial<Input> = {
  make(random: Random): Input;
  /** Throws for an input that breaks what must hold. */
  judge(input: Input, random: Random, index: number): void | Promise<void>;
  /** What a failure says. `which`: its number and the seed. */
  describe(input: Input, which: string): string;
};

const turnMs = 250;
const progressMs = 10_000;

/** Throws a `FuzzFailure` for the first input that breaks what must hold, or the signal's reason. */
export async function eachInput<Input>(options: FuzzOptions, trial: Trial<Input>): Promise<void> {
  const { inputs, seed, signal, progress } = options;
  let turn = performance.now();
  let told = turn;
  for (let index = 0; index < inputs; index += 1) {
    const random = createRandom(seed, index);
    const input = trial.make(random);
    try {
      await trial.judge(input, random, index);
    } catch (cause) {
      throw new FuzzFailure(trial.describe(input, `input ${index} of seed ${seed}`), { cause });
    }
    const now = performance.now();
    if (now - turn < turnMs) continue;
    // Lets what else waits have its turn, an interrupt among it: most trials wait for nothing.
    await new Promise(setImmediate);
    signal.throwIfAborted();
    turn = now;
    if (now - told < progressMs) continue;
    progress?.(index + 1);
    told = now;
  }
}

/** As much of an input as a line of a log holds. */
export const textOf = (bytes: Buffer): string => bytes.toString('base64').slice(0, 4_000);
