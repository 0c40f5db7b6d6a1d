/**
 * Applies a BASE: writes its images to the spare slot, has that slot started once, and keeps it only if the new system
 * passes its checks in time. Two effects of the machine, of which either may be interrupted anywhere and called again.
 */
import type { StepOutcome } from '@iotdh/proto/bus/v1';
import { UpdateStep } from '@iotdh/proto/bus/v1';
import { type Base, type Manifest, type Partition, PartitionRole } from '@iotdh/proto/update/v1';
import type { Clock } from '../install/clock.ts';
import type { Host } from '../install/ports.ts';
import { beginStep, type StepEnd, skippedStep } from '../install/step-outcome.ts';
import type { ActivityResult, StepResult } from '../machine/effect.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Prove } from './prove-system.ts';
import { createRestart } from './restart.ts';
import type { Slots } from './slots.ts';
import type { StepRecord, StepRecords } from './step-record.ts';

/** One of the two effects of a base. */
export type BaseJob = {
  /** The effect's id: the same when it is called again, another for every other effect. */
  id: string;
  manifest: Manifest;
  /** SHA-256 of the signed manifest, in lower-case hex. */
  manifestDigest: string;
  /** Where a content lies, by the lower-case hex of its SHA-256. */
  contentPath: (digestHex: string) => string;
  /** Aborted when the agent stops. */
  signal: AbortSignal;
  /** Called whenever something durable was gained. */
  progress(): void;
};

/** Null: what the base consisted of is lost. */
export type TakenBackJob = Pick<BaseJob, 'id' | 'manifestDigest' | 'signal'> & { manifest: Manifest | null };

export type BaseInstaller = {
  /** Whether this machine has the partitions, before a byte moves. */
  preflight(manifest: Manifest): Promise<{ kind: 'met' } | { kind: 'unmet'; reason: string }>;
  /** The port `apply_base`: `done` once the spare slot is whole and read back. */
  applyBase(job: BaseJob): Promise<StepResult>;
  /** The port `arm_slot`: restarts the machine, and after that says which system came up. */
  arm(job: BaseJob): Promise<ActivityResult<'arm_slot'>>;
  /**
   * The port `arm_slot` of a base that was given up, at whatever point: nothing is on trial any more, and once the good system
   * runs, that is said.
   */
  takeBack(job: TakenBackJob): Promise<ActivityResult<'arm_slot'>>;
  /** What is to be reported of this base, in the order in which it ended. */
  steps(manifestDigest: string): StepOutcome[];
  /** Forgets the steps of a base that was reported. */
  forget(manifestDigest: string): void;
};

export type BaseInstallerOptions = {
  slots: Slots;
  host: Pick<Host, 'restartMachine' | 'bootId'>;
  /** Whether the new system works; `createProof` makes it. */
  prove: Prove;
  /** The agent's register of products, told what a proven base has installed. */
  products: { set(product: string, version: string): Promise<void> };
  records: StepRecords;
  clock: Clock;
  /** How long a restart may take to end this process, in ms. Default 15 minutes. */
  restartTimeoutMs?: number;
  onFailPoint?: OnFailPoint;
};

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const failed = (reason: string) => ({ kind: 'failed', reason }) as const;

export function createBaseInstaller(options: BaseInstallerOptions): BaseInstaller {
  const { slots, host, prove, products, records, clock, onFailPoint } = options;
  const { restartTimeoutMs = 15 * 60_000 } = options;
  const restart = createRestart({ host, clock, timeoutMs: restartTimeoutMs });
  const recordOf = ({ manifestDigest }: Pick<BaseJob, 'manifestDigest'>) => records.of(manifestDigest);

  async function preflight(manifest: Manifest): ReturnType<BaseInstaller['preflight']> {
    for (const partition of baseOf(manifest).partitions) {
      const bytes = await slots.partitionBytes(partition.name);
      const reason = unmet(partition, bytes);
      if (reason !== null) return { kind: 'unmet', reason };
    }
    return { kind: 'met' };
  }

  async function applyBase(job: BaseJob): Promise<StepResult> {
    const before = await onGoodSystem(job);
    if (before !== null) return before;
    const refused = await slots.begin(job.manifestDigest);
    if (refused !== null) return failed(refused.reason);
    onFailPoint?.('slot_void', '');

    const record = recordOf(job);
    const written: string[] = [];
    for (const partition of baseOf(job.manifest).partitions) {
      const end = await writePartition(job, partition, record);
      if (end.kind === 'failed') return end;
      if (end.kind === 'written') written.push(partition.name);
    }
    const incomplete = await slots.finish(job.manifestDigest, written);
    if (incomplete !== null) return failed(incomplete.reason);
    onFailPoint?.('slot_whole', '');
    return { kind: 'done' };
  }

  /** A trial that no effect owes any more, as after the loss of the journal, is given up. Null: the good system runs. */
  async function onGoodSystem(job: BaseJob): Promise<StepResult | null> {
    const { booted, environment } = await slots.inspect();
    if (environment.trial !== null) await slots.condemn();
    return booted === environment.good ? null : restart(job);
  }

  async function writePartition(
    job: BaseJob,
    partition: Partition,
    record: StepRecord,
  ): Promise<{ kind: 'written' | 'skipped' } | { kind: 'failed'; reason: string }> {
    const { name, role, digest, minPartitionBytes } = partition;
    if (role === PartitionRole.DATA && (await slots.partitionBytes(name)) === null) {
      record.put([
        skippedStep(UpdateStep.STAGE, name, 'the agent’s configuration does not name this partition'),
      ]);
      return { kind: 'skipped' };
    }
    const outcomeOf = beginStep(clock, UpdateStep.STAGE, name);
    const end = (ending: StepEnd) => record.put([outcomeOf(ending)]);
    const digestHex = hex(digest);
    const image = {
      path: job.contentPath(digestHex),
      digest: digestHex,
      minPartitionBytes: Number(minPartitionBytes),
    };
    const written = await slots.write(job.manifestDigest, name, image, job.signal);
    if (written.kind === 'stopped') return failed('the agent stops');
    if (written.kind === 'unfit') {
      end(failed(`${name}: ${written.reason}`));
      return failed(`${name}: ${written.reason}`);
    }
    end({ kind: 'done' });
    job.progress();
    return { kind: 'written' };
  }

  async function arm(job: BaseJob): Promise<ActivityResult<'arm_slot'>> {
    const { booted, environment } = await slots.inspect();
    const { good, trial, last } = environment;
    // Nothing is on trial, and yet the good system does not run: it was given up and the machine has still to restart.
    if (trial === null && booted !== good) return restart(job);
    if (last?.job === job.id) return settled(job, last.proven);
    if (trial === null) return begin(job);
    if (trial.job !== job.id) {
      await slots.condemn();
      return booted === good ? begin(job) : restart(job);
    }
    if (booted !== good) return judge(job);
    // Armed, and the machine has not been started anew since: whoever was to restart it did not come to that.
    if (trial.armedIn === (await host.bootId())) return restart(job);
    const reason = 'the new system did not come up: the machine is back on the system before';
    recordOf(job).put([beginStep(clock, UpdateStep.CHECK, '')(failed(reason))]);
    await slots.condemn();
    return settled(job, false);
  }

  async function begin(job: BaseJob): Promise<ActivityResult<'arm_slot'>> {
    const outcomeOf = beginStep(clock, UpdateStep.APPLY, '');
    const trial = { job: job.id, content: job.manifestDigest, armedIn: await host.bootId() };
    const refused = await slots.arm(trial);
    if (refused !== null) return failed(refused.reason);
    onFailPoint?.('slot_armed', '');
    recordOf(job).put([outcomeOf({ kind: 'done' })]);
    return restart(job);
  }

  /** The new system runs, on trial. */
  async function judge(job: BaseJob): Promise<ActivityResult<'arm_slot'>> {
    onFailPoint?.('before_checks', '');
    const end = await prove(baseOf(job.manifest), job);
    if (end.kind === 'stopped') return failed('the agent stops');
    recordOf(job).put(end.steps);
    if (end.kind === 'failed') {
      await slots.condemn();
      onFailPoint?.('slot_condemned', '');
      return restart(job);
    }
    onFailPoint?.('checks_passed', '');
    const refused = await slots.markGood();
    if (refused !== null) return failed(refused.reason);
    onFailPoint?.('marked_good', '');
    return settled(job, true);
  }

  async function takeBack(job: TakenBackJob): Promise<ActivityResult<'arm_slot'>> {
    const { booted, environment } = await slots.inspect();
    const { good, trial, last } = environment;
    if (trial !== null) await slots.condemn();
    if (booted !== good) return restart(job);
    // Kept, and given up before that could be told.
    return settled(job, trial === null && last?.job === job.id && last.proven);
  }

  async function settled(job: TakenBackJob, proven: boolean): Promise<ActivityResult<'arm_slot'>> {
    const step = proven ? UpdateStep.COMMIT : UpdateStep.UNDO;
    recordOf(job).put([beginStep(clock, step, '')({ kind: 'done' })]);
    if (proven && job.manifest !== null) {
      for (const { product, version } of baseOf(job.manifest).products) await products.set(product, version);
    }
    return { kind: 'event', event: { type: 'boot_sys', manifestDigest: job.manifestDigest, proven } };
  }

  return {
    preflight,
    applyBase,
    arm,
    takeBack,
    steps: (manifestDigest) => records.of(manifestDigest).all(),
    forget: (manifestDigest) => records.remove(manifestDigest),
  };
}

/** Throws for a PATCH: the machine never has one applied as a base. */
function baseOf(manifest: Manifest): Base {
  if (manifest.content.case === 'base') return manifest.content.value;
  throw new Error(`${manifest.name} ${manifest.version} is not a BASE`);
}

function unmet({ name, role, minPartitionBytes }: Partition, bytes: number | null): string | null {
  if (bytes === null) return role === PartitionRole.BOOT ? `this machine has no partition ${name}` : null;
  if (BigInt(bytes) >= minPartitionBytes) return null;
  return `${name} has ${bytes} bytes, ${minPartitionBytes} are needed`;
}
