/** Kills the process that takes a walk, again and again, and after every death checks what is on disk. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openJournal } from '../../journal/open-journal.ts';
import type { DeathPoint, Orders } from './orders.ts';
import { type Stage, stagesOf, type Walk } from './walk.ts';

/** How the next life ends: at the first fail point of this name that was not survived yet, at the n-th of any, or after so many ms. */
export type Fate =
  | { kind: 'fresh_point'; point: DeathPoint }
  | { kind: 'nth_point'; n: number }
  | { kind: 'time'; ms: number };

export type SlaughterOptions = {
  walk: Walk;
  /** An empty folder for the journal and the effects of this walk. */
  folder: string;
  /** Where Node keeps compiled code, so that a life begins three times as fast. */
  compileCache: string;
  /** Called before each life. */
  fate: () => Fate;
  /** After so many deaths the process is let live. */
  maxKills: number;
  signal: AbortSignal;
};

/** How often the process died, and at which fail points. */
export type Toll = { kills: number; points: string[] };

const victim = join(import.meta.dirname, 'victim.ts');

/** Resolves once the walk was completed. Throws an AssertionError as soon as the disk does not say what it must. */
export async function slaughter(options: SlaughterOptions): Promise<Toll> {
  const { walk, folder, fate, maxKills } = options;
  const stages = stagesOf(walk);
  const files = { directory: join(folder, 'journal'), effectsFile: join(folder, 'effects') };
  const points: string[] = [];
  for (let kills = 0; ; kills += 1) {
    const next = kills < maxKills ? fate() : null;
    const orders: Orders = {
      ...files,
      walk,
      fresh: next?.kind === 'fresh_point' ? { point: next.point, survived: points } : null,
      dieAt: next?.kind === 'nth_point' ? next.n : null,
    };
    const died = await live(orders, next?.kind === 'time' ? next.ms : null, options);
    points.splice(0, points.length, ...linesIn(`${files.effectsFile}.deaths`));
    check(files, stages, died ? 'so far' : 'over');
    if (!died) return { kills, points };
  }
}

/** One life. Returns whether it ended in death. */
async function live(orders: Orders, timeMs: number | null, options: SlaughterOptions): Promise<boolean> {
  const child = spawn(process.execPath, [victim, JSON.stringify(orders)], {
    env: { ...process.env, NODE_COMPILE_CACHE: options.compileCache },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: options.signal,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-4000);
  });
  const timer = timeMs === null ? undefined : setTimeout(() => child.kill('SIGKILL'), timeMs);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  assert.ok(signal === 'SIGKILL' || code === 0, `the process ended with ${code ?? signal}: ${said}`);
  return signal === 'SIGKILL';
}

/** The lines of a file, of which a death may have cut the last one short. */
function linesIn(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

/**
 * The journal has taken the walk's first rows, exactly these, and stands where they lead; every effect that it does not
 * owe any more was done; and no effect was ever done twice, out of order, or that the walk does not have.
 */
function check(
  { directory, effectsFile }: { directory: string; effectsFile: string },
  stages: readonly Stage[],
  walked: 'so far' | 'over',
): void {
  if (!existsSync(directory) && walked === 'so far') return;
  const { journal, damage } = openJournal({ directory });
  try {
    assert.equal(damage, null);
    const sequence = journal.sequence();
    if (walked === 'over') assert.equal(sequence, stages.length);
    const chain = journal.changesAfter(0, stages.length + 1).map(({ from, event, to }) => [from, event, to]);
    assert.deepEqual(
      chain,
      stages.slice(0, sequence).map(({ row: [from, event, , to] }) => [from, event, to]),
    );
    const last = stages[sequence - 1];
    const noted = last?.noted != null && isDeepStrictEqual(journal.snapshot(), last.noted.snapshot);
    if (last !== undefined && !noted) assert.deepEqual(journal.snapshot(), last.snapshot);

    const decided = stages.slice(0, sequence).flatMap((stage) => {
      const counts = stage !== last || noted;
      return [...stage.effects, ...(counts ? (stage.noted?.effects ?? []) : [])];
    });
    const owed = journal.effects();
    const done = linesIn(effectsFile);
    assert.deepEqual(
      done,
      decided.slice(0, done.length).map(({ kind }, index) => `chaos.${index + 1} ${kind}`),
    );
    const open = walked === 'over' ? decided.length : (owed[0]?.id ?? decided.length + 1) - 1;
    assert.ok(done.length >= open, `${open} effects are written off, but only ${done.length} were done`);
  } finally {
    journal.close();
  }
}
