/** A runner on a real journal with scripted ports, for one test. */
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Finding, setAsideMs } from '../effect-lane.ts';
import type { ResultEvent } from '../event.ts';
import type { Journal } from '../journal.ts';
import { createMachine, type Machine } from '../machine.ts';
import { createRunner, type Runner, type RunnerOptions } from '../runner.ts';
import type { EventName, State } from '../table.ts';
import { journalFor, type TestJournal } from './journal.ts';
import { type ScriptedPorts, scriptPorts } from './ports.ts';
import { diskFor, eventFor, samplePack, snapshotIn } from './samples.ts';

/** What the sample service pack is confirmed by. */
export const patchDigest = samplePack().patch.digest;
export const baseDigest = samplePack().base.digest;

/** Told from every other sleep by its length. */
const graceMs = 4321;

/** A port that results in this event. */
export const resulting = (event: ResultEvent) => async () => ({ kind: 'event', event }) as const;
/** A port that fails. */
export const failing = async () => ({ kind: 'failed', reason: 'it did not work' }) as const;

export type Agent = {
  home: TestJournal;
  journal: Journal;
  machine: Machine;
  runner: Runner;
  script: ScriptedPorts;
  findings: Finding[];
  sleeps: number[];
  /** What was set aside is due again. */
  anHourPasses(): void;
  /** Starts it, and resolves once this holds. */
  lives(until: () => boolean): Promise<void>;
  /** Resolves once the machine is in this state. */
  reaches(state: State): Promise<void>;
};

/** An agent on this journal, not started yet; its sleeps are over at once, but for the hour of what was set aside. */
export function agentOn(t: TestContext, home: TestJournal, options: Partial<RunnerOptions> = {}): Agent {
  const { journal } = home;
  const machine = createMachine({ journal, now: () => 0 });
  const script = scriptPorts();
  const findings: Finding[] = [];
  const sleeps: number[] = [];
  let hour = Promise.withResolvers<void>();
  const runner = createRunner({
    journal,
    machine,
    ports: script.ports,
    survey: async () => diskFor('no_patch_no_base'),
    // The grace of `stop` must not be over at once.
    sleep: (ms, signal) => {
      if (ms === setAsideMs) return hour.promise;
      sleeps.push(ms);
      return ms === graceMs
        ? new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
        : Promise.resolve();
    },
    onFinding: (finding) => findings.push(finding),
    graceMs,
    ...options,
  });
  home.beforeClose(() => runner.stop());

  async function reaches(state: State): Promise<void> {
    const cursor = machine.cursor();
    if (machine.snapshot().state === state) return;
    for await (const item of machine.changes(cursor, t.signal)) {
      if (item.kind === 'changed' && item.change.to === state) return;
    }
  }
  async function lives(until: () => boolean): Promise<void> {
    runner.start();
    while (!until()) {
      t.signal.throwIfAborted();
      await setImmediate();
    }
  }
  function anHourPasses(): void {
    const { resolve } = hour;
    hour = Promise.withResolvers();
    resolve();
  }
  return { home, journal, machine, runner, script, findings, sleeps, anHourPasses, lives, reaches };
}

/** An agent, not started yet, whose journal says that it is in `state`, and owes what entering that state owes. */
export function agentIn(t: TestContext, state: State, options: Partial<RunnerOptions> = {}): Agent {
  const home = journalFor(t);
  const before: Partial<Record<State, [State, EventName]>> = {
    INTRANSIT_PATCH: ['READY', 'cloud_cmdupgrade'],
    READY_WITHPATCH: ['INTRANSIT_PATCH', 'transfer_complete'],
    APPLYING_PATCH: ['WAIT_CONFIRM_PATCH', 'sdk_confirmpatch'],
    APPLYING_BASE: ['WAIT_CONFIRM_BASE', 'sdk_confirmbase'],
  };
  const [from, event] = before[state] ?? [state, null];
  home.journal.write({ snapshot: snapshotIn(from) });
  const agent = agentOn(t, home, options);
  if (event !== null) agent.machine.accept(eventFor(event, snapshotIn(from)));
  return agent;
}
