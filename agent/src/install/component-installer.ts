/** What the transaction asks of each kind of component. Everything but `refusal` is idempotent and survives being killed. */
import type { OnFailPoint } from './fail-point.ts';
import type { ActionEnd, Operation } from './ports.ts';

export type ComponentInstaller = {
  /**
   * Whether `restore` always puts right an apply that failed or was cut short. Then the manifest's own way of undoing is
   * for a whole apply only.
   */
  readonly atomic: boolean;
  /** Why the agent cannot put back by itself what the component changes; null when it can. */
  readonly notRestorable: string | null;
  /** Why this machine cannot apply the component; null when nothing speaks against it. */
  refusal(): Promise<string | null>;
  /** Lays out what will take effect, beside what it replaces. Throws when the surroundings do not let it. */
  stage(signal: AbortSignal): Promise<ActionEnd>;
  /** Makes it take effect. `again`: the process, or an earlier attempt, died since it was staged. */
  apply(signal: AbortSignal, again: boolean, operation: Operation): Promise<ActionEnd>;
  /** Puts back what was there, however far `apply` has come. */
  restore(signal: AbortSignal, operation: Operation): Promise<ActionEnd>;
  /** Called once the component is taken back, by `restore` or in the manifest's own way. */
  undone?(): Promise<void>;
  /** Removes the stage and what was kept for restoring. */
  letGo(): Promise<void>;
  /** Null when every file has its digest where it now lies. For components with files. */
  filesMatch?(signal: AbortSignal): Promise<string | null>;
};

/** What every kind of component is made with. */
export type ComponentContext = {
  /** The component's id. */
  id: string;
  /** Holds what the component notes; the agent's alone, there while the job is. */
  notes: string;
  /** Where a content lies, by the lower-case hex of its SHA-256. */
  contentPath: (digestHex: string) => string;
  failPoint: OnFailPoint;
};

export const done: ActionEnd = { kind: 'done' };
export const stopped: ActionEnd = { kind: 'stopped' };
export const failed = (reason: string): ActionEnd => ({ kind: 'failed', reason });
/** The words of an error, for a reason. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
