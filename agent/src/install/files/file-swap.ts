/** The two ways in which a file set takes effect, as `file-set.ts` drives them. Idempotent, and safe to kill anywhere. */
import type { ActionEnd } from '../ports.ts';

export type FileSwap = {
  /** Begins the stage anew. Throws a BadContent, or the file system's error; nothing outside the stage was changed. */
  stage(signal: AbortSignal): Promise<void>;
  /** What of the stage does not have its digest; null when all has. Only before anything was swapped in. */
  differsInStage(signal: AbortSignal): Promise<string | null>;
  /** Whether `apply` may have changed something. */
  begun(): Promise<boolean>;
  apply(): Promise<ActionEnd>;
  restore(): Promise<ActionEnd>;
  letGo(): Promise<void>;
};
