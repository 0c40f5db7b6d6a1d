/** What proves that the system of a BASE works: its checks or, without any, that the agent connects; in time. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import { type StepOutcome, UpdateStep } from '@iotdh/proto/bus/v1';
import type { Base } from '@iotdh/proto/update/v1';
import type { CheckSurroundings, RunChecks } from '../install/checks.ts';
import { beginStep } from '../install/step-outcome.ts';

export type ProofEnd =
  | { kind: 'passed'; steps: StepOutcome[] }
  | { kind: 'failed'; steps: StepOutcome[] }
  /** The agent stops. */
  | { kind: 'stopped' };

/** Called in the new system, on every start of the agent until it is proven or given up. */
export type Prove = (
  base: Base,
  job: { contentPath: (digestHex: string) => string; signal: AbortSignal },
) => Promise<ProofEnd>;

export type ProofOptions = Pick<CheckSurroundings, 'sandbox' | 'versionOf' | 'clock'> & {
  runChecks: RunChecks;
  /** How long ago the machine was started, in ms: what the boot itself took counts. */
  uptimeMs: () => Promise<number>;
  /** Resolves with true once the agent is connected, with false soon after the signal. */
  connected: (signal: AbortSignal) => Promise<boolean>;
};

const defaultBootTimeLimitMs = 10 * 60_000;

export function createProof({ runChecks, uptimeMs, connected, ...surroundings }: ProofOptions): Prove {
  const { clock } = surroundings;

  return async (base, { contentPath, signal }) => {
    const limitMs =
      base.bootTimeLimit === undefined ? defaultBootTimeLimitMs : durationMs(base.bootTimeLimit);
    const outcomeOf = beginStep(clock, UpdateStep.CHECK, '');
    const tooLate = (steps: StepOutcome[]): ProofEnd => {
      const reason = `the new system was not proven within ${limitMs} ms of its start`;
      return { kind: 'failed', steps: [...steps, outcomeOf({ kind: 'failed', reason })] };
    };
    const leftMs = limitMs - (await uptimeMs());
    if (leftMs <= 0) return tooLate([]);

    const timeIsOver = new AbortController();
    const cancelLimit = clock.after(leftMs, () => timeIsOver.abort());
    const either = AbortSignal.any([signal, timeIsOver.signal]);
    try {
      if (base.checks.length === 0) {
        const ok = await connected(either);
        if (signal.aborted) return { kind: 'stopped' };
        return ok ? { kind: 'passed', steps: [outcomeOf({ kind: 'done' })] } : tooLate([]);
      }
      const end = await runChecks(base.checks, { ...surroundings, subject: '', contentPath, signal: either });
      if (end.kind !== 'stopped') return { kind: end.kind, steps: end.steps };
      return signal.aborted ? { kind: 'stopped' } : tooLate(end.steps);
    } finally {
      cancelLimit();
    }
  };
}
