/**
 * Lives the table: takes events one at a time, and sees to it that what the machine decided on is executed and that the
 * results come back as the next events. Started again after a crash, it goes on where the journal says.
 */
import type { Ports } from './effect.ts';
import { createEffectLane, type Finding } from './effect-lane.ts';
import type { MachineEvent, OutsideEvent } from './event.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { Journal } from './journal.ts';
import type { Alongside, Answer, Machine } from './machine.ts';
import type { Disk } from './update.ts';

export type RunnerOptions = {
  journal: Journal;
  machine: Machine;
  ports: Ports;
  /** Reads what the disk holds. Called only in `BUSY`, for `sdk_cmdready`; a throw refuses that one command. */
  survey: () => Promise<Disk>;
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  onFinding: (finding: Finding) => void;
  /**
   * The write cap that breaks reboot loops: each attempt at an effect is written down before it begins, and after this
   * many without progress the effect is given up or set aside. Default 10; "Loops" in the README says why.
   */
  maxAttempts?: number;
  /** How long to wait after this attempt has failed, in ms. Default: 1 s, doubled each time, at most 60 s. */
  backoffMs?: (attempt: number) => number;
  /** How long `stop` waits for an effect that does not heed its signal, in ms. Default 4 s. */
  graceMs?: number;
  onFailPoint?: OnFailPoint;
};

/** The event was not considered; ask again later. */
export type Unavailable = { kind: 'unavailable'; reason: 'stopping' | 'disk_unreadable' };

export type Runner = {
  /** Begins with the effects that the journal owes. The signal does what `stop` does. */
  start(signal?: AbortSignal): void;
  /** Takes no more events, aborts the running effect and waits for it. */
  stop(): Promise<void>;
  /** Resolves once stopped; rejects when the journal's disk fails, after which only a restart helps. */
  readonly stopped: Promise<void>;
  /**
   * Takes an event from outside; answered once it is durable, with what is written alongside. Events are considered in the
   * order of the calls. Rejects when the disk fails or the event carries what no journal may hold, and nothing has changed
   * then.
   */
  submit(event: OutsideEvent, alongside?: Alongside): Promise<Answer | Unavailable>;
};

const nothingOnDisk: Disk = { patch: null, base: null };

export function createRunner(options: RunnerOptions): Runner {
  const { machine, survey, onFinding } = options;
  let stopping = false;
  let full = false;
  let last: Promise<unknown> = Promise.resolve();

  const lane = createEffectLane({
    maxAttempts: 10,
    backoffMs: (attempt) => Math.min(1000 * 2 ** (attempt - 1), 60_000),
    graceMs: 4000,
    onFailPoint: undefined,
    ...options,
    accept,
  });

  function accept(event: MachineEvent, alongside?: Alongside): Answer {
    const answer = machine.accept(event, alongside);
    if (answer.kind === 'moved' || answer.kind === 'noted') lane.notice();
    return answer;
  }

  async function consider(event: OutsideEvent, alongside?: Alongside): Promise<Answer | Unavailable> {
    if (stopping) return { kind: 'unavailable', reason: 'stopping' };
    if (event.type !== 'sdk_cmdready') return accept(event, alongside);
    if (machine.snapshot().state !== 'BUSY') return accept({ ...event, disk: nothingOnDisk }, alongside);
    const disk = await readDisk();
    if (disk === null) return { kind: 'unavailable', reason: 'disk_unreadable' };
    return stopping ? { kind: 'unavailable', reason: 'stopping' } : accept({ ...event, disk }, alongside);
  }

  /** Whoever raises an event may do so every second: a disk without room is told of once for as long as that lasts. */
  async function considerAndTell(event: OutsideEvent, alongside?: Alongside): Promise<Answer | Unavailable> {
    const answer = await consider(event, alongside);
    if (answer.kind === 'not_recorded' && !full) onFinding({ kind: 'disk_full', what: event.type });
    if (answer.kind === 'not_recorded' || answer.kind === 'moved' || answer.kind === 'noted')
      full = answer.kind === 'not_recorded';
    return answer;
  }

  async function readDisk(): Promise<Disk | null> {
    try {
      return await survey();
    } catch (error) {
      onFinding({ kind: 'disk_unreadable', reason: error instanceof Error ? error.message : String(error) });
      return null;
    }
  }

  async function stop(): Promise<void> {
    stopping = true;
    await lane.stop();
  }

  return {
    stop,
    stopped: lane.stopped,
    start(signal) {
      signal?.addEventListener('abort', () => void stop(), { once: true });
      lane.start();
      if (signal?.aborted) void stop();
    },
    submit(event, alongside) {
      const answer = last.then(() => considerAndTell(event, alongside));
      last = answer.catch(() => undefined);
      return answer;
    },
  };
}
