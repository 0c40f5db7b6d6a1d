/** Checks: what proves that a component, or a whole BASE, works. */
import { connect } from 'node:net';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { type StepOutcome, UpdateStep } from '@iotdh/proto/bus/v1';
import type { Check } from '@iotdh/proto/update/v1';
import { type Clock, pause } from './clock.ts';
import type { ActionEnd } from './ports.ts';
import type { Sandbox } from './sandbox.ts';
import { endOfScript } from './script-end.ts';
import { beginStep } from './step-outcome.ts';

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

export const runChecks: RunChecks = async (checks, surroundings) => {
  const steps: StepOutcome[] = [];
  for (const check of checks) {
    const outcomeOf = beginStep(surroundings.clock, UpdateStep.CHECK, surroundings.subject);
    const end = await runCheck(check, surroundings);
    if (end.kind === 'stopped') return { kind: 'stopped', steps };
    steps.push(outcomeOf(end));
    if (end.kind === 'failed') return { kind: 'failed', reason: end.reason, steps };
  }
  return { kind: 'passed', steps };
};

const defaultTimeLimitMs = 30_000;
const maxPauseMs = 1000;

/** Runs one check until it passes, its attempts are used up or its time is over. */
export async function runCheck(check: Check, surroundings: CheckSurroundings): Promise<ActionEnd> {
  const { clock, signal } = surroundings;
  const timeLimitMs = check.timeLimit === undefined ? defaultTimeLimitMs : durationMs(check.timeLimit);
  const attempts = Math.max(1, check.attempts);
  const timeIsOver = new AbortController();
  const cancelLimit = clock.after(timeLimitMs, () => timeIsOver.abort());
  const either = AbortSignal.any([signal, timeIsOver.signal]);
  let last: ActionEnd = { kind: 'stopped' };
  try {
    for (let attempt = 1; attempt <= attempts && !either.aborted; attempt += 1) {
      // The attempts are spread over the time, so that what starts slowly is met by one of them.
      if (attempt > 1) await pause(clock, Math.min(maxPauseMs, timeLimitMs / attempts), either);
      if (either.aborted) break;
      const attempted = attemptOnce(check, { ...surroundings, signal: either });
      const end = check.kind.case === 'script' ? await attempted : await untilAborted(attempted, either);
      if (end.kind === 'done') return end;
      if (end.kind === 'failed') last = end;
    }
  } finally {
    cancelLimit();
  }
  if (signal.aborted) return { kind: 'stopped' };
  const why = last.kind === 'failed' ? `: ${last.reason}` : '';
  const limit = timeIsOver.signal.aborted ? ` within ${timeLimitMs} ms` : '';
  return {
    ...(last.kind === 'failed' ? last : {}),
    kind: 'failed',
    reason: `"${check.title}" did not pass${limit}${why}`,
  };
}

async function attemptOnce(check: Check, surroundings: CheckSurroundings): Promise<ActionEnd> {
  const { kind } = check;
  switch (kind.case) {
    case 'filesMatch': {
      const differs = await surroundings.filesMatch?.(surroundings.signal);
      if (differs === undefined) return failed('there are no files to match');
      return differs === null ? { kind: 'done' } : failed(differs);
    }
    case 'script':
      return endOfScript(await surroundings.sandbox.run(kind.value, surroundings));
    case 'installedVersion': {
      const { product, version } = kind.value;
      const found = await surroundings.versionOf(product, surroundings.signal);
      if (found === version) return { kind: 'done' };
      return failed(`${product} ${version} is expected, ${found === null ? 'none' : found} is there`);
    }
    case 'localEndpoint':
      return await tryPort(kind.value.port, surroundings.signal);
    default:
      return failed('this agent does not know the check');
  }
}

/** Both loopback addresses count: "on the loopback interface" says nothing of the version of IP. */
async function tryPort(port: number, signal: AbortSignal): Promise<ActionEnd> {
  const answers = await Promise.all(['127.0.0.1', '::1'].map((host) => accepts(host, port, signal)));
  return answers.includes(true) ? { kind: 'done' } : failed(`nothing listens on port ${port}`);
}

function accepts(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (accepted: boolean) => {
      signal.removeEventListener('abort', refuse);
      socket.destroy();
      resolve(accepted);
    };
    const refuse = () => end(false);
    signal.addEventListener('abort', refuse);
    socket.once('connect', () => end(true));
    socket.once('error', refuse);
  });
}

/** What does not heed the signal does not hold up the rest; a script does. An error is a failed attempt. */
async function untilAborted(attempt: Promise<ActionEnd>, signal: AbortSignal): Promise<ActionEnd> {
  const aborted = Promise.withResolvers<ActionEnd>();
  const onAbort = () => aborted.resolve({ kind: 'stopped' });
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([attempt, aborted.promise]);
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const failed = (reason: string): ActionEnd => ({ kind: 'failed', reason });
