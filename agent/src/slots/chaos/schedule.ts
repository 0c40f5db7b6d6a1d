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
import type { Slots } from '../slots.ts';
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
  setAside: number;
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
  const world = createWorld({
    random,
    loses: bases === undefined ? random.pick(['nothing', 'variables', 'record']) : 'nothing',
    fateOf(step) {
      index += 1;
      const fate = fateOf?.(step, index - 1) ?? drawn();
      if (fate !== 'goes_well') cuts += 1;
      return fate;
    },
  });
  const toll: Toll = { bases: 0, proven: 0, fellBack: 0, setAside: 0, cuts: 0, steps: 0, boots: 0 };
  const plan = bases ?? Array.from({ length: 1 + random.below(2) }, () => random.pick(tempers));
  for (const [number, temper] of plan.entries()) {
    const system: System = { name: `base-${number + 1}`, temper };
    world.add(system);
    const isBad = bases === undefined && random.below(12) === 0;
    const end = await bringIn(world, system, { random, isBad });
    toll.bases += 1;
    toll[end] += 1;
  }
  return { ...toll, cuts, steps: world.stepCount, boots: world.boots };
}

async function bringIn(
  world: World,
  system: System,
  { random, isBad }: { random: Random; isBad: boolean },
): Promise<'proven' | 'fellBack' | 'setAside'> {
  const before = world.runs.name;
  const manifest = manifestOf(world, system);
  const steps = memoryRecords();
  let applied = false;
  let attempts = 0;
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
      if (!applied) {
        const end = await installer.applyBase(job('apply'));
        if (end.kind === 'done') {
          step('journal', () => {
            applied = true;
            attempts = 0;
          });
        } else if (!down.signal.aborted) attempts += 1;
      } else {
        const end = await installer.arm(job('arm'));
        if (end.kind === 'event') {
          const { proven } = end.event;
          // Asked again because its end was not journalled, it must say the same.
          step('journal', () => undefined);
          return settled(world, system, before, proven);
        }
        if (!down.signal.aborted) attempts += 1;
      }
      if (down.signal.aborted) world.boot();
      if (attempts < maxAttempts) continue;
      return await leftAlone(world, system, { random, steps });
    } catch (error) {
      if (error instanceof PowerCut) world.boot();
      else if (!(error instanceof AgentDeath) && !/EIO/.test(String(error))) throw error;
    }
  }
  throw new Error(`${system.name} never came to an end`);
}

/** Given up, the update leaves a machine that runs a proven system, and nothing that starts another. */
async function leftAlone(
  world: World,
  system: System,
  { random, steps }: { random: Random; steps: StepRecords },
): Promise<'setAside'> {
  for (;;) {
    try {
      const { slots } = agentOn(world, { random, steps, system, down: new AbortController() });
      const { booted, environment } = await slots.inspect();
      assert.equal(environment.trial, null);
      assert.ok(world.isProven(world.runs.name), 'what runs was never proven');
      if (booted !== environment.good) world.boot();
      else break;
    } catch (error) {
      if (error instanceof PowerCut) world.boot();
      else if (!(error instanceof AgentDeath) && !/EIO/.test(String(error))) throw error;
    }
  }
  world.assertSettled();
  return 'setAside';
}

/** What is told is true, and stays so. */
function settled(world: World, system: System, before: string, proven: boolean): 'proven' | 'fellBack' {
  assert.equal(world.runs.name, proven ? system.name : before, 'what is told is not what runs');
  if (proven) assert.ok(world.isProven(system.name), 'success without proof');
  world.assertSettled();
  return proven ? 'proven' : 'fellBack';
}

/** One life of the agent: everything that it remembers is on the disk of `world`. */
function agentOn(
  world: World,
  options: { random: Random; steps: StepRecords; system: System; down: AbortController },
): { installer: BaseInstaller; slots: Slots; step: ReturnType<World['parts']>['step'] } {
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
  return { installer, slots, step };
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
