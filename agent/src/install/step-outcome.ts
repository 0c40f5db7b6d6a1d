/** What is reported of each step. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type StepOutcome, StepOutcomeSchema, StepResult, type UpdateStep } from '@iotdh/proto/bus/v1';
import type { Clock } from './clock.ts';
import { lastBytes, maxReportedBytes } from './output-tail.ts';
import type { ActionEnd } from './ports.ts';

/** How a step ended that was not stopped. */
export type StepEnd = Exclude<ActionEnd, { kind: 'stopped' }>;

/** Begins to measure a step; the function makes its outcome. `subject`: the component, or ''. */
export function beginStep(clock: Clock, step: UpdateStep, subject: string): (end: StepEnd) => StepOutcome {
  const began = { now: clock.now(), monotonicMs: clock.monotonicMs() };
  return (end) => {
    const detail = end.kind === 'failed' ? end.reason : (end.detail ?? '');
    return create(StepOutcomeSchema, {
      step,
      subject,
      result: end.kind === 'done' ? StepResult.OK : StepResult.FAILED,
      startTime: timestampFromMs(began.now),
      duration: durationFromMs(Math.max(0, Math.round(clock.monotonicMs() - began.monotonicMs))),
      ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
      detail: shortened(detail),
      outputTail: lastBytes(end.output ?? '', maxReportedBytes),
    });
  };
}

/** A step that was not reached or not needed. */
export function skippedStep(step: UpdateStep, subject: string, detail: string): StepOutcome {
  return create(StepOutcomeSchema, { step, subject, result: StepResult.SKIPPED, detail: shortened(detail) });
}

const maxSteps = 400;
const maxOutputBytes = 64 * 1024;

/**
 * What fits into one message to the cloud (256 KiB for all of it): the last 400 steps, and 64 KiB of output, that of
 * failures and of the latest steps first.
 */
export function fitted(steps: readonly StepOutcome[]): StepOutcome[] {
  let room = maxOutputBytes;
  const kept = steps.slice(-maxSteps);
  const byWorth = [...kept.entries()].sort(
    ([a, left], [b, right]) =>
      Number(right.result === StepResult.FAILED) - Number(left.result === StepResult.FAILED) || b - a,
  );
  const withOutput = new Set<number>();
  for (const [index, { outputTail }] of byWorth) {
    const bytes = Buffer.byteLength(outputTail);
    if (bytes > room) continue;
    room -= bytes;
    withOutput.add(index);
  }
  return kept.map((step, index) => (withOutput.has(index) ? step : { ...step, outputTail: '' }));
}

function shortened(text: string): string {
  return text.length <= 1000 ? text : `${text.slice(0, 999)}…`;
}
