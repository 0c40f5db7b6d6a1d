/** Checks: what proves that a component, or a whole BASE, works. */
import type { StepOutcome } from '@iotdh/proto/bus/v1';
import type { Check } from '@iotdh/proto/update/v1';
import type { Clock } from './clock.ts';
import type { Sandbox } from './sandbox.ts';

/** What checks are run with. */
export type CheckSurroundings = {
  /** The component whose checks they are; '' for the update as a whole. */
  subject: string;
  /** Where a content lies, by the lower-case hex of its SHA-256: scripts are contents. */
  contentPath: (digestHex: string) => string;
  sandbox: Sandbox;
  /** The installed version of a product; null when it is not there. */
  versionOf(product: string, signal: AbortSignal): Promise<string | null>;
  /** For `files_match`: null when every file has its digest, else what differs. Absent: there are no files to match. */
  filesMatch?: (signal: AbortSignal) => Promise<string | null>;
  clock: Clock;
  /** Aborted when the agent stops; the check that runs is then not counted. */
  signal: AbortSignal;
};

/** `steps` has one outcome for each check up to the first that failed. */
export type ChecksEnd =
  | { kind: 'passed'; steps: StepOutcome[] }
  | { kind: 'failed'; reason: string; steps: StepOutcome[] }
  | { kind: 'stopped'; steps: StepOutcome[] };

/** Runs checks in order, each within its own time limit over its attempts, up to the first that fails. */
export type RunChecks = (checks: readonly Check[], surroundings: CheckSurroundings) => Promise<ChecksEnd>;
