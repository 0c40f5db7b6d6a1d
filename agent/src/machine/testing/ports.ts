/** Ports that do what a test tells them to, and remember what they were asked. */
import {
  type ActivityResult,
  type Effect,
  type EffectContext,
  isActivity,
  type Later,
  type Ports,
  type StepResult,
} from '../effect.ts';

type Result = StepResult | Later | ActivityResult;
export type Port = (effect: Effect, context: EffectContext) => Promise<Result>;

/** One execution of an effect. */
export type Call = { kind: Effect['kind']; id: string; attempt: number; effect: Effect };

export type ScriptedPorts = {
  ports: Ports;
  calls: Call[];
  /** Answers this kind of effect from now on. Without one, steps are done and activities wait for their signal. */
  on(kind: Effect['kind'], port: Port): void;
  /** The next call of this kind, counted from now. */
  called(kind: Effect['kind']): Promise<Call>;
};

export const done: Result = { kind: 'done' };

/** Settles when the effect is aborted, as an interrupted activity does. */
export const untilAborted: Port = (_effect, { signal }) =>
  new Promise((resolve) => {
    const interrupted = () => resolve({ kind: 'failed', reason: 'interrupted' });
    if (signal.aborted) interrupted();
    else signal.addEventListener('abort', interrupted, { once: true });
  });

const doneOrWaiting: Port = async (effect, context) =>
  isActivity(effect) ? untilAborted(effect, context) : done;

const every: Record<Effect['kind'], true> = {
  ask_assignment: true,
  stop_transfer: true,
  apply_base: true,
  discard: true,
  report: true,
  start_transfer: true,
  prompt: true,
  apply_patch: true,
  arm_slot: true,
};

export const kinds = Object.keys(every) as Effect['kind'][];

/** `usual` answers every effect that no other port was named for. */
export function scriptPorts(usual: Port = doneOrWaiting): ScriptedPorts {
  const scripts = new Map<Effect['kind'], Port>();
  const awaited = new Map<Effect['kind'], PromiseWithResolvers<Call>>();
  const calls: Call[] = [];

  function perform(effect: Effect, context: EffectContext): Promise<Result> {
    const call = { kind: effect.kind, id: context.id, attempt: context.attempt, effect };
    calls.push(call);
    awaited.get(effect.kind)?.resolve(call);
    awaited.delete(effect.kind);
    return (scripts.get(effect.kind) ?? usual)(effect, context);
  }

  const ports = Object.fromEntries(kinds.map((kind) => [kind, perform]));
  return {
    // Every kind has its port; which results it gives is up to the test.
    ports: ports as unknown as Ports,
    calls,
    on: (kind, port) => void scripts.set(kind, port),
    called(kind) {
      const waiting = awaited.get(kind) ?? Promise.withResolvers<Call>();
      awaited.set(kind, waiting);
      return waiting.promise;
    },
  };
}
