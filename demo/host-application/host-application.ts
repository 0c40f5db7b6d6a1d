/**
 * A sample host application: how a program on a medical workstation lives with the IoT Agent, by means of `@iotdh/sdk` alone.
 * Made to be copied. What a real one is for, driving catheters or robots, is left out.
 */
import {
  type AgentClient,
  AgentError,
  type AgentState,
  type BusyLease,
  type Decision,
  type PendingUpdate,
  type Person,
  type Position,
  type Progress,
} from '@iotdh/sdk';
import type { Answer, Room } from './room.ts';

export type HostApplicationOptions = {
  agent: AgentClient;
  room: Room;
  /** The product that this is, as manifests spell it. */
  product: string;
  /** The version that is installed at the moment. */
  readVersion(): Promise<string>;
  /** Who is signed in, and therefore decides. */
  person: Person;
  /** Where it stood when it ended last, so that it misses no change; null: it has never run. */
  lastPosition(): Promise<Position | null>;
  /** Keeps the position of a change that was dealt with. */
  keepPosition(position: Position): Promise<void>;
};

export type HostApplication = {
  /** Lives until the signal aborts, and then rejects with its reason. */
  run(signal: AbortSignal): Promise<void>;
  /** From here on nothing disturbs this machine. */
  beginExamination(): Promise<void>;
  endExamination(): Promise<void>;
};

const postponeMs = 3_600_000;
/** After a boot the agent may start later than this program. */
const agentStartMs = 120_000;

export function createHostApplication(options: HostApplicationOptions): HostApplication {
  const { agent, room, product, person } = options;
  let examination: BusyLease | undefined;

  async function reportVersion(signal: AbortSignal): Promise<void> {
    const version = await options.readVersion();
    await agent.reportVersion({ product, version }, { signal, timeoutMs: agentStartMs });
    room.show({ kind: 'runs', product, version });
  }

  /** The person reads, thinks and answers. Meanwhile the update may be withdrawn, or an examination begin. */
  async function ask(update: PendingUpdate, signal: AbortSignal): Promise<void> {
    const answer = await room.ask(update, signal);
    // Not with the signal: the agent moves on before it answers.
    const shownText = [update.title, update.summary, ...update.changes].filter(Boolean).join('\n');
    await agent.confirm(update, decisionOf(answer, person), { shownText });
    room.show({ kind: 'answered', answer, person: person.name });
  }

  /** Asks if the agent waits for an answer; the signal aborts when it leaves the state. */
  function askIfDue(state: AgentState, update: PendingUpdate | null, signal: AbortSignal): void {
    if (!state.startsWith('WAIT_CONFIRM') || update === null || update.declined) return;
    ask(update, signal).catch((error: unknown) => {
      if (!signal.aborted) room.show({ kind: 'trouble', message: textOf(error) });
    });
  }

  /** Every change since this program ended last; those from `position` on where the agent does not know them any more. */
  async function* changesSinceLast(position: Position, signal: AbortSignal) {
    const onProgress = (progress: Progress) => room.show({ kind: 'progress', progress });
    const after = (await options.lastPosition()) ?? position;
    try {
      yield* agent.stateChanges({ after, signal, onProgress });
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'out_of_range') throw error;
      yield* agent.stateChanges({ after: position, signal, onProgress });
    }
  }

  return {
    async run(signal) {
      await reportVersion(signal);
      const { position, state, pendingUpdate } = await agent.getState({ signal });
      let stay = new AbortController();
      askIfDue(state, pendingUpdate, stay.signal);
      // Nobody works at the machine yet; the agent begins in BUSY so as not to guess that.
      if (state === 'BUSY') await agent.ready({ signal });
      try {
        for await (const change of changesSinceLast(position, signal)) {
          stay.abort();
          stay = new AbortController();
          room.show({ kind: 'change', change });
          askIfDue(change.to, change.pendingUpdate, stay.signal);
          if (change.from.startsWith('APPLYING') && change.to === 'READY') await reportVersion(signal);
          await options.keepPosition(change.position);
        }
      } finally {
        stay.abort();
      }
    },

    async beginExamination() {
      // A lease: if this program dies, the machine does not stay busy for ever.
      examination ??= await agent.busy({ activity: 'procedure', text: 'electrophysiology study' });
      room.show({ kind: 'examination', running: true });
    },

    async endExamination() {
      room.show({ kind: 'examination', running: false });
      await examination?.release();
      examination = undefined;
    },
  };
}

function decisionOf(answer: Answer, person: Person): Decision {
  switch (answer) {
    case 'confirm':
      return { decision: 'confirm', person };
    case 'decline':
      return { decision: 'decline', person };
    case 'later':
      return { decision: 'postpone', person, until: new Date(Date.now() + postponeMs) };
  }
}

function textOf(error: unknown): string {
  if (error instanceof AgentError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
