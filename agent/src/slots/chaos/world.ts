/**
 * A machine with two slots, in memory: its disk, the memory of its boot loader, and a power supply that fails where the
 * schedule says. Everything durable happens in steps; a step that the power cuts has happened, has not, or is torn.
 */
import assert from 'node:assert/strict';
import type { Random } from '../../machine/testing/random.ts';
import { otherSlot, type SlotName } from '../boot-environment.ts';
import type { BootLoader } from '../boot-loader.ts';
import type { SlotPartitions } from '../create-slots.ts';

/** Ends a life of the agent: with the machine's power, or alone. */
export class PowerCut extends Error {}
export class AgentDeath extends Error {}

/** What befalls one step. */
export type Fate =
  | 'goes_well'
  | 'cut_before'
  | 'cut_torn'
  | 'cut_after'
  | 'agent_dies_before'
  | 'agent_dies_after'
  /** The disk or the firmware reports an error, and has done it or not. */
  | 'error_before'
  | 'error_after';

/** A system that a slot may hold, and what becomes of it. */
export type System = {
  name: string;
  /** `hangs`: it never gets as far as its agent. `wavers`: its checks pass once, then fail. */
  temper: 'works' | 'fails' | 'hangs' | 'wavers';
};

export type WorldOptions = {
  random: Random;
  fateOf: (step: string) => Fate;
  /** What else a start may have lost: the firmware's variables, or the agent's record of its slots. */
  loses: 'nothing' | 'variables' | 'record';
  /** What the firmware still remembers of the disk that was in the machine before this one was written. */
  stale?: { byDefault: SlotName | null; once: SlotName | null };
};

/** What a slot's partitions hold: an image by its digest, or nothing to rely on. */
type Disk = Record<SlotName, Map<string, string | null>>;
type Entries = Map<SlotName, { tries: number | null }>;

export const partitionNames = ['system', 'data'] as const;
const digestOf = (system: string, partition: string) => Buffer.from(`${system}/${partition}`).toString('hex');

export type World = ReturnType<typeof createWorld>;

export function createWorld({ random, fateOf, loses, stale }: WorldOptions) {
  const disk: Disk = { a: new Map(), b: new Map() };
  const entries: Entries = new Map([['a', { tries: null }]]);
  const systems = new Map<string, System>([['first', { name: 'first', temper: 'works' }]]);
  for (const name of partitionNames) disk.a.set(name, digestOf('first', name));
  let { byDefault, once } = stale ?? { byDefault: 'a', once: null };
  let record: string | null = null;
  let hasLostRecord = false;
  let booted: SlotName = 'a';
  let boots = 1;
  let life = 0;
  let stepCount = 0;
  /** Systems that have passed their checks, and how often each of the others was started. */
  const proven = new Set(['first']);
  const starts = new Map<string, number>();

  /** One step of a life that ends with the first thing that goes wrong: nothing follows on a death. */
  function stepsOf(lived: number) {
    return (name: string, happen: () => void, tear: () => void = happen): void => {
      if (lived !== life) throw new AgentDeath('of an earlier life');
      stepCount += 1;
      const fate = fateOf(name);
      if (fate === 'goes_well') {
        happen();
        return;
      }
      if (fate === 'cut_after' || fate === 'agent_dies_after' || fate === 'error_after') happen();
      if (fate === 'cut_torn') tear();
      if (fate.startsWith('error')) throw new Error(`${name}: EIO`);
      life += 1;
      throw fate.startsWith('cut') ? new PowerCut(name) : new AgentDeath(name);
    };
  }

  const systemIn = (slot: SlotName): string | null => {
    const held = partitionNames.map((name) => disk[slot].get(name) ?? null);
    const [system] = Buffer.from(held[0] ?? '', 'hex')
      .toString()
      .split('/');
    const whole = held.every(
      (digest, index) => digest === digestOf(system ?? '', partitionNames[index] ?? ''),
    );
    return whole && system ? system : null;
  };

  /** A boot loader's ways: the one-shot entry, else the default, else any that has tries left, else any. */
  function startOne(): void {
    const wanted = once !== null && entries.has(once) ? once : byDefault;
    once = null;
    const rest = [...entries.keys()].filter((name) => entries.get(name)?.tries !== 0);
    const others = rest.length > 0 ? rest : [...entries.keys()];
    assert.ok(others.length > 0, 'nothing can be started');
    const slot = wanted !== null && entries.has(wanted) ? wanted : random.pick(others);
    const entry = entries.get(slot);
    if (entry !== undefined && entry.tries !== null) entry.tries = Math.max(0, entry.tries - 1);
    const system = systemIn(slot);
    assert.ok(system !== null, `slot ${slot} is started and holds no whole system`);
    if (!proven.has(system)) {
      const count = (starts.get(system) ?? 0) + 1;
      starts.set(system, count);
      assert.equal(count, 1, `${system} is started ${count} times without proof`);
    }
    booted = slot;
    boots += 1;
  }

  function boot(): void {
    life += 1;
    const isLost = random.below(4) === 0;
    if (isLost && loses === 'record') {
      record = null;
      hasLostRecord = true;
    }
    if (isLost && loses === 'variables') {
      byDefault = null;
      once = null;
    }
    for (let tries = 0; tries < 5; tries += 1) {
      startOne();
      const temper = systems.get(systemIn(booted) ?? '')?.temper;
      if (temper !== 'hangs') return;
    }
    throw new Error('the machine hangs at every start');
  }

  /** What one life of the agent uses. */
  function parts() {
    const step = stepsOf(life);
    const loader: BootLoader = {
      read: async () => ({ booted, byDefault, once, offered: [...entries.keys()] }),
      // A directory entry that is torn is not there.
      offer: async (slot, tries) =>
        step(
          `offer ${slot}`,
          () => void entries.set(slot, { tries }),
          () => void (slot === booted || entries.delete(slot)),
        ),
      async withdraw(slot) {
        if (record === null)
          assert.notEqual(slot, booted, 'what runs is withdrawn, and nobody knows of another');
        step(`withdraw ${slot}`, () => void entries.delete(slot));
      },
      async startOnce(slot) {
        step(`start ${slot} once`, () => {
          once = slot;
        });
      },
      async startByDefault(slot) {
        step(`default ${slot}`, () => {
          byDefault = slot;
        });
        if (!entries.has(slot) || entries.get(slot)?.tries === null) return;
        step(
          `bless ${slot}`,
          () => void entries.set(slot, { tries: null }),
          () => void entries.delete(slot),
        );
      },
    };
    const partitions: SlotPartitions = {
      bytes: async (name) => (partitionNames.some((known) => known === name) ? 1024 : null),
      async write(slot, name, image, { signal, onPiece, onFlushed }) {
        assert.notEqual(slot, booted, 'the running slot is written');
        assert.ok(!entries.has(slot), 'a slot is written that can be started');
        for (let piece = 0; piece < 2; piece += 1) {
          step(`piece of ${name}`, () => void disk[slot].set(name, null));
          onPiece();
          if (signal.aborted) return { kind: 'stopped' };
        }
        const digest = image.path.startsWith('bad') ? null : image.digest;
        step(
          `flush ${name}`,
          () => void disk[slot].set(name, digest),
          () => void disk[slot].set(name, null),
        );
        onFlushed();
        if (digest === null) return { kind: 'unfit', reason: 'the image is not what its digest says' };
        return { kind: 'written', bytes: 1024 };
      },
    };
    return {
      step,
      loader,
      partitions,
      record: {
        read: () => record,
        write: (text: string) =>
          step(
            'record',
            () => {
              record = text;
            },
            // Put in place by one rename: never torn.
            () => {
              if (random.below(2) === 0) record = text;
            },
          ),
      },
      bootId: async () => `boot-${boots}`,
    };
  }

  return {
    parts,
    boot,
    add: (system: System) => void systems.set(system.name, system),
    digestOf,
    /** Told by the checks of a system that has passed them. */
    prove(): void {
      const system = systemIn(booted);
      if (system !== null) proven.add(system);
    },
    get runs(): System {
      const system = systems.get(systemIn(booted) ?? '');
      assert.ok(system !== undefined);
      return system;
    },
    /** At rest: what the boot loader would do next is what runs. */
    assertSettled(): void {
      assert.equal(once, null, 'something is still started once');
      assert.equal(byDefault, booted, 'the default is not what runs');
      assert.equal(entries.get(booted)?.tries, null, 'what runs can still run out of tries');
      const spare = otherSlot(booted);
      if (entries.has(spare)) assert.ok(proven.has(systemIn(spare) ?? ''), 'the other slot is offered');
    },
    isProven: (system: string) => proven.has(system),
    get hasLostRecord() {
      return hasLostRecord;
    },
    get boots() {
      return boots;
    },
    get stepCount() {
      return stepCount;
    },
  };
}
