/** The boot environment of a machine with a boot loader that is not ours: a record of what the slots hold, and the boot loader's own memory. */
import { type BootEnvironment, initialEnvironment } from './boot-environment.ts';
import type { BootLoader, LoaderState } from './boot-loader.ts';
import type { EnvironmentChange, EnvironmentStore } from './environment-store.ts';
import { type LoaderStep, observed, repairSteps, stepsAround } from './loader-steps.ts';
import { SlotsError } from './slots-error.ts';

export type LoaderStoreOptions = {
  loader: BootLoader;
  /** A small file on a partition that no base replaces; `write` is durable and leaves the old text or the new one. */
  record: { read(): string | null; write(text: string): void };
  /** Reads a record; null: it is none that this agent knows. */
  parse: (text: string) => BootEnvironment | null;
  /** Names the running boot. */
  bootId: () => Promise<string>;
};

export function createLoaderStore({ loader, record, parse, bootId }: LoaderStoreOptions): EnvironmentStore {
  /** Orders to a boot loader must not cross. */
  let last: Promise<unknown> = Promise.resolve();
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  }

  const save = (environment: BootEnvironment) => record.write(`${JSON.stringify(environment)}\n`);

  async function follow(steps: readonly LoaderStep[]): Promise<void> {
    for (const each of steps) {
      if (each.step === 'offer') await loader.offer(each.slot, each.tries);
      else if (each.step === 'withdraw') await loader.withdraw(each.slot);
      else if (each.step === 'start_once') await loader.startOnce(each.slot);
      else await loader.startByDefault(each.slot);
    }
  }

  /**
   * Without a record the boot loader's default is what is known to be good, if it can be started at all: firmware remembers
   * what another disk had. Else it is what runs. Nobody vouches for the other slot; `repairSteps` withdraws it.
   */
  async function recorded(state: LoaderState): Promise<BootEnvironment> {
    const text = record.read();
    if (text === null) {
      const { byDefault, booted, offered } = state;
      const first = initialEnvironment(
        byDefault !== null && offered.includes(byDefault) ? byDefault : booted,
      );
      await loader.startByDefault(first.good);
      save(first);
      return first;
    }
    const found = parse(text);
    if (found === null) {
      throw new SlotsError('record_unreadable', 'the record of what the slots hold is none of this agent’s');
    }
    return found;
  }

  async function load(): Promise<{ environment: BootEnvironment; booted: LoaderState['booted'] }> {
    const state = await loader.read();
    const environment = await recorded(state);
    const steps = repairSteps(environment, state, await bootId());
    await follow(steps);
    const now = steps.length === 0 ? state : await loader.read();
    return { environment: observed(environment, now), booted: now.booted };
  }

  async function change(by: EnvironmentChange) {
    const { environment, booted } = await load();
    const outcome = by(environment, { environment, booted });
    if (outcome.kind === 'refused') return outcome;
    if (outcome.environment === environment) return null;
    const { before, after } = stepsAround(environment, outcome.environment);
    await follow(before);
    save(outcome.environment);
    await follow(after);
    return null;
  }

  return { inspect: () => alone(load), change: (by) => alone(() => change(by)) };
}
