/** Bases, one after the other, on a machine where anything may fail at any step; and what must hold whatever happens. */
import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { StepOutcome } from '@iotdh/proto/bus/v1';
import { type Manifest, ManifestSchema, PartitionRole } from '@iotdh/proto/update/v1';
import type { Clock } from '../../install/clock.ts';
import type { Sandbox } from '../../install/sandbox.ts';
import { createRandom, type Random } from '../../machine/testing/random.ts';
import { type BaseInstaller, type BaseJob, createBaseInstaller } from '../base-installer.ts';
import { createSlots } from '../create-slots.ts';
import { createLoaderStore } from '../loader-store.ts';
import { createProof } from '../prove-system.ts';
import { readEnvironment } from '../read-environment.ts';
import type { StepRecords } from '../step-record.ts';
import {
  AgentDeath,
  createWorld,
  type Fate,
  PowerCut,
  partitionNames,
  type System,
  type World,
} from './world.ts';

/** What one schedule came to. */
export type Toll = {
  bases: number;
  proven: number;
  fellBack: number;
  /** Of either end: those that were taken back after too many attempts. */
  givenUp: number;
  cuts: number;
  steps: number;
  boots: number;
};

export type ScheduleOptions = {
  seed: number;
  /** Default: drawn from the seed, up to two bases with a dozen failures. */
  bases?: readonly System['temper'][];
  fateOf?: (step: string, index: number) => Fate;
};

const fates: readonly Fate[] = [
  'cut_before',
  'cut_torn',
  'cut_after',
  'agent_dies_before',
  'agent_dies_after',
  'error_before',
  'error_after',
];
const tempers: readonly System['temper'][] = ['works', 'works', 'fails', 'hangs', 'wavers'];
/** As many as the agent's effect lane makes without progress. */
const maxAttempts = 10;
/** More than the failures of a schedule can ask for: a machine that goes on for longer goes round in circles. */
const maxLives = 80;

export async function runSchedule({ seed, bases, fateOf }: ScheduleOptions): Promise<Toll> {
  const random = createRandom(seed);
  const everyNth = 4 + random.below(40);
  let failures = 1 + random.below(12);
  let index = 0;
  let cuts = 0;
  const drawn = (): Fate => {
    if (failures === 0 || random.below(everyNth) !== 0) return 'goes_well';
    failures -= 1;
    return random.pick(fates);
  };
  const anySlot = () => random.pick([null, 'a', 'b'] as const);
  const world = createWorld({
    random,
    ...(bases === undefined && { stale: { byDefault: anySlot(), once: anySlot() } }),
    loses: bases === undefined ? random.pick(['nothing', 'variables', 'record']) : 'nothing',
    fateOf(step) {
      index += 1;
      const fate = fateOf?.(step, index - 1) ?? drawn();
      if (fate !== 'goes_well') cuts += 1;
      return fate;
    },
  });
  const toll: Toll = { bases: 0, proven: 0, fellBack: 0, givenUp: 0, cuts: 0, steps: 0, boots: 0 };
  const plan = bases ?? Array.from({ length: 1 + random.below(2) }, () => random.pick(tempers));
  for (const [number, temper] of plan.entries()) {
    const system: System = { name: `base-${number + 1}`, temper };
    world.add(system);
    const isBad = bases === undefined && random.below(12) === 0;
    // Whatever makes an attempt fail ten times in a row may do so at any point.
    const givesUpPercent = bases === undefined ? 3 : 0;
    const { isProven, givenUp } = await bringIn(world, system, { random, isBad, givesUpPercent });
    toll.bases += 1;
    toll[isProven ? 'proven' : 'fellBack'] += 1;
    if (givenUp) toll.givenUp += 1;
  }
  return { ...toll, cuts, steps: world.stepCount, boots: world.boots };
}

async function bringIn(
  world: World,
  system: System,
  { random, isBad, givesUpPercent }: { random: Random; isBad: boolean; givesUpPercent: number },
): Promise<{ isProven: boolean; givenUp: boolean }> {
  const before = world.runs.name;
  const manifest = manifestOf(world, system);
  const steps = memoryRecords();
  let applied = false;
  let attempts = 0;
  let givenUp = false;
  for (let life = 0; life < maxLives; life += 1) {
    const down = new AbortController();
    const { installer, step } = agentOn(world, { random, steps, system, down });
    const job = (id: string): BaseJob => ({
      id: `${system.name}-${id}`,
      manifest,
      manifestDigest: system.name,
      contentPath: (digest) => (isBad ? `bad ${digest}` : digest),
      signal: down.signal,
      progress() {
        attempts = 0;
      },
    });
    try {
      if (!applied && !givenUp) {
        const end = await installer.applyBase(job('apply'));
        if (end.kind === 'done') {
          step('journal', () => {
            applied = true;
            attempts = 0;
          });
        } else if (!down.signal.aborted) attempts += 1;
      } else {
        const end = givenUp ? await installer.takeBack(job('arm')) : await installer.arm(job('arm'));
        if (end.kind === 'event') {
          const { proven } = end.event;
          // Asked again because its end was not journalled, it must say the same.
          step('journal', () => undefined);
          settled(world, system, before, { proven, givenUp });
          return { isProven: proven, givenUp };
        }
        if (!down.signal.aborted) attempts += 1;
      }
      if (down.signal.aborted) world.boot();
      givenUp ||= attempts >= maxAttempts || random.below(100) < givesUpPercent;
    } catch (error) {
      if (error instanceof PowerCut) world.boot();
      else if (!(error instanceof AgentDeath) && !/EIO/.test(String(error))) throw error;
    }
  }
  throw new Error(`${system.name} never came to an end`);
}

/** What is told is true, and stays so. */
function settled(
  world: World,
  system: System,
  before: string,
  { proven, givenUp }: { proven: boolean; givenUp: boolean },
): void {
  // With the record goes who was kept: a base that is given up after that is told as taken back, and may be what runs.
  const isUnknown = givenUp && !proven && world.hasLostRecord;
  if (!isUnknown)
    assert.equal(world.runs.name, proven ? system.name : before, 'what is told is not what runs');
  assert.ok(world.isProven(world.runs.name), 'what runs was never proven');
  if (proven) assert.ok(world.isProven(system.name), 'success without proof');
  world.assertSettled();
}

/** One life of the agent: everything that it remembers is on the disk of `world`. */
function agentOn(
  world: World,
  options: { random: Random; steps: StepRecords; system: System; down: AbortController },
): { installer: BaseInstaller; step: ReturnType<World['parts']>['step'] } {
  const { random, steps, system, down } = options;
  const { step, loader, partitions, record, bootId } = world.parts();
  const clock: Clock = {
    // Whatever the wall clock says must not matter.
    now: () => random.below(2 ** 32) * 1000,
    monotonicMs: () => 0,
    after: () => () => undefined,
  };
  const store = createLoaderStore({ loader, record, parse: readEnvironment, bootId });
  const prove = createProof({
    clock,
    sandbox: {} as Sandbox,
    versionOf: async () => null,
    uptimeMs: async () => 1000,
    connected: async () => true,
    async runChecks() {
      step('checks', () => undefined);
      const wavers = system.temper === 'wavers' && world.isProven(system.name);
      const passes = world.runs === system && system.temper !== 'fails' && !wavers;
      if (passes) world.prove();
      return passes ? { kind: 'passed', steps: [] } : { kind: 'failed', reason: 'as planned', steps: [] };
    },
  });
  const slots = createSlots({ store, partitions });
  const installer = createBaseInstaller({
    slots,
    host: {
      bootId,
      async restartMachine() {
        step('restart', () => down.abort());
        return { kind: 'done' };
      },
    },
    prove,
    products: { set: async () => step('product', () => undefined) },
    records: steps,
    clock,
  });
  return { installer, step };
}

function manifestOf(world: World, system: System): Manifest {
  return create(ManifestSchema, {
    name: system.name,
    createTime: timestampFromMs(0),
    content: {
      case: 'base',
      value: {
        partitions: partitionNames.map((name) => ({
          name,
          role: name === 'data' ? PartitionRole.DATA : PartitionRole.BOOT,
          digest: Buffer.from(world.digestOf(system.name, name), 'hex'),
        })),
        checks: [{}],
        products: [{ product: 'System', version: system.name }],
      },
    },
  });
}

/** Only reports: what they say decides nothing. */
function memoryRecords(): StepRecords {
  const outcomes: StepOutcome[] = [];
  return {
    of: () => ({ all: () => outcomes, put: (more) => void outcomes.push(...more) }),
    remove: () => undefined,
  };
}
