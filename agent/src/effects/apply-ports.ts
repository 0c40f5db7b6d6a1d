/** The ports that change the machine: `apply_patch`, `apply_base` and `arm_slot`. How each ended is on disk before it is told. */
import { type StepOutcome, UpdateStep } from '@iotdh/proto/bus/v1';
import type { Manifest } from '@iotdh/proto/update/v1';
import { stepFor } from '../cloud/results.ts';
import type { Installer, Job, Preflight } from '../install/installer.ts';
import type { InstallOutcome } from '../install/outcome.ts';
import type { Log } from '../log/log.ts';
import type { ActivityResult, EffectContext, Ports, StepResult } from '../machine/effect.ts';
import type { Update } from '../machine/update.ts';
import type { BaseInstaller, BaseJob } from '../slots/base-installer.ts';
import type { Manifests } from '../updates/manifests.ts';
import type { HalfEnd } from '../updates/record.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import { createFailures, lastFailureOf } from './last-failure.ts';

export type ApplyPortsOptions = {
  updates: UpdateStore;
  manifests: Manifests;
  installer: Installer;
  /** Null: this machine has no slots. */
  base: BaseInstaller | null;
  preflight: (manifest: Manifest, carryBytes: number) => Promise<Preflight>;
  contentPath: (update: Update, digestHex: string) => string;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  redact: (text: string) => string;
  log: Log;
};

/** What is missing for now is looked for again after this. */
const lookAgainMs = 15_000;
/** How long a machine may take to go down. */
const restartMs = 15 * 60_000;
const failed = (reason: string) => ({ kind: 'failed', reason }) as const;
const noSlots = failed('this machine has no slots for a base');

export function createApplyPorts(
  options: ApplyPortsOptions,
): Pick<Ports, 'apply_patch' | 'apply_base' | 'arm_slot'> {
  const { updates, manifests, installer, base, preflight, contentPath, sleep, log } = options;
  const { attempt } = createFailures(options);

  function say({ updateId, manifest }: Update, level: 'info' | 'warn' | 'error', message: string): void {
    const about = {
      assignment_id: updateId,
      version: manifest.version,
      trace_parent: updates.traceOf(updateId),
    };
    log({ level, component: 'install', message, about });
  }

  function keep(update: Update, end: HalfEnd): void {
    updates.change(update.updateId, update.target, { end });
  }

  function jobOf(update: Update, { id, signal, progress }: EffectContext): BaseJob | null {
    const manifest: Manifest | null = manifests.of(update);
    if (manifest === null) return null;
    const path = (digestHex: string) => contentPath(update, digestHex);
    return { id, manifest, manifestDigest: update.manifest.digest, contentPath: path, signal, progress };
  }

  /** The event of an end that is on disk. */
  function eventOf(
    { manifest: { digest } }: Update,
    { ending, reason }: HalfEnd,
  ): Awaited<ReturnType<Ports['apply_patch']>> {
    const event =
      ending === 'applied'
        ? ({ type: 'integrity_ok', manifestDigest: digest } as const)
        : ({ type: 'integrity_fault', manifestDigest: digest, reason } as const);
    return { kind: 'event', event };
  }

  async function applyPatch(
    update: Update,
    context: EffectContext,
  ): Promise<Awaited<ReturnType<Ports['apply_patch']>>> {
    const before = updates.get(update.updateId)?.patch.end ?? null;
    if (before !== null) return eventOf(update, before);
    const job = jobOf(update, context);
    if (job === null) return failed('the manifest is not on this disk');
    say(update, 'info', 'the patch is being applied');
    // One update applies its patch once, so its own name serves, and survives the loss of the journal.
    const outcome = await whenPossible(update, { ...job, id: update.updateId });
    switch (outcome.kind) {
      case 'applied': {
        const end: HalfEnd = { ending: 'applied', reason: '', steps: outcome.steps };
        keep(update, end);
        say(update, 'info', 'the patch is applied and passed its checks');
        return eventOf(update, end);
      }
      case 'fault': {
        const ending = outcome.takenBack ? 'taken_back' : 'failed';
        const end: HalfEnd = { ending, reason: outcome.reason, steps: outcome.steps };
        keep(update, end);
        say(update, 'error', `the patch failed (${ending}): ${outcome.reason}`);
        return eventOf(update, end);
      }
      case 'restarting':
        say(update, 'info', 'the machine restarts');
        await sleep(restartMs, context.signal);
        return failed('the machine has not restarted yet');
      case 'failed':
        return outcome;
    }
  }

  /** Applies it, as soon as what may come by itself is there: a battery or a full disk is no fault of the patch. */
  async function whenPossible(update: Update, job: Job): Promise<InstallOutcome> {
    for (let waits = 0; ; waits += 1) {
      const outcome = await installer.apply(job);
      if (outcome.kind !== 'failed' || outcome.passing !== true || job.signal.aborted) return outcome;
      if (waits === 0) say(update, 'warn', `the patch waits: ${outcome.reason}`);
      job.progress();
      await sleep(lookAgainMs, job.signal);
    }
  }

  /** Hours may have passed since it was carried, and the machine may have been unplugged: what passes is waited for. */
  async function unmetNow(update: Update, { manifest, signal, progress }: BaseJob): Promise<string | null> {
    for (let look = 1; ; look += 1) {
      const answer = await preflight(manifest, 0);
      if (answer.kind === 'met') return null;
      if (answer.passing !== true || signal.aborted) return answer.reason;
      if (look === 1) say(update, 'warn', `the base waits: ${answer.reason}`);
      progress();
      await sleep(lookAgainMs, signal);
    }
  }

  async function arm(update: Update, context: EffectContext): Promise<ActivityResult<'arm_slot'>> {
    const job = jobOf(update, context);
    if (base === null) return noSlots;
    if (job === null) return failed('the manifest is not on this disk');
    return base.arm(job);
  }

  /** Needs neither the manifest nor, on a machine that has lost its slots, any of them. */
  async function takeBack(update: Update, context: EffectContext): Promise<ActivityResult<'arm_slot'>> {
    const manifestDigest = update.manifest.digest;
    if (base === null) return { kind: 'event', event: { type: 'boot_sys', manifestDigest, proven: false } };
    return base.takeBack({ ...context, manifestDigest, manifest: manifests.of(update) });
  }

  async function applyBase(update: Update, context: EffectContext): Promise<StepResult> {
    const job = jobOf(update, context);
    if (base === null) return noSlots;
    if (job === null) return failed('the manifest is not on this disk');
    const unmet = await unmetNow(update, job);
    if (unmet !== null) return failed(unmet);
    say(update, 'info', 'the base is being written');
    return base.applyBase(job);
  }

  async function armSlot(update: Update, context: EffectContext): Promise<ActivityResult<'arm_slot'>> {
    const result = await (context.givenUp ? takeBack(update, context) : arm(update, context));
    if (result.kind !== 'event') return result;
    const end = endOfBase(update, result.event.proven, context.givenUp);
    keep(update, end);
    say(update, end.reason === '' ? 'info' : 'error', end.reason || 'the base runs and is proven');
    return result;
  }

  function endOfBase(update: Update, proven: boolean, givenUp: boolean): HalfEnd {
    const steps = base?.steps(update.manifest.digest) ?? [];
    if (proven) return { ending: 'applied', reason: '', steps };
    if (!givenUp) return { ending: 'taken_back', reason: 'the new system did not prove itself', steps };
    const reason = `the base was given up: ${lastFailureOf(updates, update) || 'no attempt came to an end'}`;
    // Before what took it back, as it happened; an operator is shown the first step that failed.
    const failure = stepFor({ ending: 'failed', reason });
    const isUndo = ({ step }: StepOutcome) => step === UpdateStep.UNDO;
    const inOrder = [...steps.filter((one) => !isUndo(one)), failure, ...steps.filter(isUndo)];
    return { ending: 'taken_back', reason, steps: inOrder };
  }

  return {
    apply_patch: ({ update }, context) => attempt(update, context, () => applyPatch(update, context)),
    apply_base: ({ update }, context) => attempt(update, context, () => applyBase(update, context)),
    arm_slot: ({ update }, context) => attempt(update, context, () => armSlot(update, context)),
  };
}
