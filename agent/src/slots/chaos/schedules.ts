/** Many schedules, one seed after the other. */
import { runSchedule, type Toll } from './schedule.ts';

export type SchedulesOptions = {
  count: number;
  /** Of the first schedule; each further one has the next. */
  seed: number;
  onSchedule?: (done: number) => void;
  signal?: AbortSignal;
};

/** Throws, naming the seed, when something does not hold. */
export async function runSchedules({ count, seed, onSchedule, signal }: SchedulesOptions): Promise<Toll> {
  const sum: Toll = { bases: 0, proven: 0, fellBack: 0, givenUp: 0, cuts: 0, steps: 0, boots: 0 };
  for (let done = 0; done < count; done += 1) {
    signal?.throwIfAborted();
    try {
      const toll = await runSchedule({ seed: seed + done });
      for (const key of Object.keys(sum) as (keyof Toll)[]) sum[key] += toll[key];
    } catch (cause) {
      throw new Error(`seed ${seed + done}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
    onSchedule?.(done + 1);
  }
  return sum;
}
