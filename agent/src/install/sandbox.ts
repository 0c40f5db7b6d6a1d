/** Runs a manifest's scripts within bounds: an empty folder, few variables, limited time and output. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Script } from '@iotdh/proto/update/v1';
import type { Clock } from './clock.ts';
import { removeFolder } from './durable.ts';
import { interpreterFor } from './interpreter.ts';
import { type RunProgram, runProgram } from './process-group.ts';

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

export type SandboxOptions = {
  /** Where each run has its folder, which is removed afterwards; made if absent. */
  folder: string;
  /** The agent's own environment, of which scripts get PATH and what they name. */
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  /** Takes secrets and patients out of what scripts print. */
  redact: (text: string) => string;
  /** Default: this process's. */
  platform?: NodeJS.Platform;
  /** Default: on this machine. */
  run?: RunProgram;
};

const defaultOutputBytes = 64 * 1024;
/** No text that a person reviews is longer. */
const maxScriptBytes = 16 * 1024 * 1024;

export function createSandbox(options: SandboxOptions): Sandbox {
  const { folder, environment, clock, redact, platform = process.platform, run = runProgram } = options;

  function environmentFor(script: Script, temporary: string): Record<string, string> {
    const given: Record<string, string> = {};
    for (const name of ['PATH', ...script.environment]) {
      const value = environment[name];
      if (value !== undefined) given[name] = value;
    }
    // Windows looks for the temporary folder under these two names, and cannot start PowerShell without SystemRoot.
    if (platform !== 'win32') return { ...given, TMPDIR: temporary };
    return { ...given, TEMP: temporary, TMP: temporary, SystemRoot: environment.SystemRoot ?? 'C:\\Windows' };
  }

  /** Copies the content, so that what is checked is what runs. Returns why not. */
  async function take(content: string, digest: Uint8Array, copy: string): Promise<string | null> {
    const name = Buffer.from(digest).toString('hex');
    try {
      if ((await stat(content)).size > maxScriptBytes) return `the script ${name} is larger than 16 MiB`;
      await copyFile(content, copy, constants.COPYFILE_EXCL);
    } catch (error) {
      return `the script ${name} cannot be read: ${(error as Error).message}`;
    }
    const found = createHash('sha256')
      .update(await readFile(copy))
      .digest();
    return found.equals(digest) ? null : `the script ${name} is not what its digest says`;
  }

  return {
    refusal(script) {
      const found = interpreterFor(script.interpreter, platform);
      return found.kind === 'refused' ? found.reason : null;
    },
    async run(script, { contentPath, signal }) {
      const interpreter = interpreterFor(script.interpreter, platform);
      if (interpreter.kind === 'refused') return interpreter;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const own = await mkdtemp(join(folder, 'run-'));
      try {
        const [text, working, temporary] = ['script', 'work', 'tmp'].map((name) => join(own, name)) as [
          string,
          string,
          string,
        ];
        for (const made of [text, working, temporary]) await mkdir(made, { mode: 0o700 });
        const copy = join(text, `script${interpreter.extension}`);
        const digestHex = Buffer.from(script.digest).toString('hex');
        const reason = await take(contentPath(digestHex), script.digest, copy);
        if (reason !== null) return { kind: 'refused', reason };

        const timeLimitMs = script.timeLimit === undefined ? 0 : durationMs(script.timeLimit);
        const end = await run(interpreter.command(copy, script.arguments), {
          folder: working,
          environment: { ...interpreter.environment, ...environmentFor(script, temporary) },
          timeLimitMs,
          maxOutputBytes: script.maxOutputBytes || defaultOutputBytes,
          redact,
          signal,
          clock,
        });
        if (end.kind === 'stopped') return { kind: 'stopped' };
        if (end.kind === 'not_started') return { kind: 'refused', reason: end.reason };
        if (end.kind === 'timed_out') {
          const reason = `it was ended with all that it started after its ${timeLimitMs} ms`;
          return { kind: 'ended', reason, output: end.output };
        }
        if (end.kind === 'killed')
          return { kind: 'ended', reason: `${end.signal} ended it`, output: end.output };
        const successes = script.successExitCodes.length > 0 ? script.successExitCodes : [0];
        return { ...end, ok: successes.includes(end.exitCode) };
      } finally {
        await removeFolder(own);
      }
    },
  };
}
