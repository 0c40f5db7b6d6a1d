/** Runs a manifest's scripts within bounds: an empty folder, few variables, limited time and output. */
import type { Script } from '@iotdh/proto/update/v1';

/** How a script ended. `output` is redacted: the end of both streams, with a note of what was dropped. */
export type ScriptEnd =
  /** `ok`: the exit code is one of the script's success codes. */
  | { kind: 'exited'; ok: boolean; exitCode: number; output: string }
  /** It took too long, or a signal ended it; nothing that it started is left. */
  | { kind: 'ended'; reason: string; output: string }
  /** It was not begun: its content is missing or is not what the digest says, or this machine cannot interpret it. */
  | { kind: 'refused'; reason: string }
  /** The agent stops; nothing that it started is left. */
  | { kind: 'stopped' };

export type Sandbox = {
  /** Why this machine cannot run such a script; null when it can. */
  refusal(script: Script): string | null;
  run(
    script: Script,
    options: { contentPath: (digestHex: string) => string; signal: AbortSignal },
  ): Promise<ScriptEnd>;
};
