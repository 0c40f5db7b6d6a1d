/** The steps of one base, kept over the restarts that it takes until they are reported. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type StepOutcome, StepOutcomeSchema } from '@iotdh/proto/bus/v1';
import { openDocument } from '../durable/document.ts';

export type StepRecord = {
  all(): StepOutcome[];
  /** Adds outcomes in place of those of the same step and subject, which an earlier attempt had. Durable. */
  put(outcomes: readonly StepOutcome[]): void;
};

/** The records of all bases. */
export type StepRecords = {
  /** `content`: the manifest's digest in lower-case hex. */
  of(content: string): StepRecord;
  remove(content: string): void;
};

/** `folder` must exist, and be on a partition that no base replaces. */
export const stepRecordsIn = (folder: string): StepRecords => ({
  of: (content) => openStepRecord(folder, content),
  remove: (content) => rmSync(pathOf(folder, content), { force: true }),
});

/** As many as one report may have. */
const maxSteps = 500;

const pathOf = (folder: string, content: string) => join(folder, `${content}.steps.json`);

/** A record that cannot be read begins anew: it is only a report. */
function openStepRecord(folder: string, content: string): StepRecord {
  const document = openDocument<JsonValue[]>({
    path: pathOf(folder, content),
    initial: [],
    read: (parsed) => (outcomesIn(parsed) === null ? null : (parsed as JsonValue[])),
  });
  const all = () => outcomesIn(document.value) ?? [];
  return {
    all,
    put(outcomes) {
      const replaced = (old: StepOutcome) =>
        outcomes.some(({ step, subject }) => step === old.step && subject === old.subject);
      const kept = [...all().filter((old) => !replaced(old)), ...outcomes].slice(-maxSteps);
      document.write(kept.map((outcome) => toJson(StepOutcomeSchema, outcome)));
    },
  };
}

function outcomesIn(parsed: unknown): StepOutcome[] | null {
  if (!Array.isArray(parsed)) return null;
  try {
    return parsed.map((outcome) => fromJson(StepOutcomeSchema, outcome));
  } catch {
    return null;
  }
}
