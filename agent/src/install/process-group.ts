/** Runs a program so that nothing that it started outlives its time limit, or this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from './clock.ts';
import { createOutputTail } from './output-tail.ts';

export type Command = { file: string; args: readonly string[] };

export type RunOptions = {
  folder: string;
  environment: Readonly<Record<string, string>>;
  timeLimitMs: number;
  maxOutputBytes: number;
  /** Takes out of the output what must not be kept. */
  redact: (text: string) => string;
  /** Ends the program and all that it started. */
  signal: AbortSignal;
  clock: Clock;
  /** Written to its standard input, which is then closed. Default: nothing. */
  input?: string;
  /**
   * Whether the program goes on when this process dies. For package managers, which are worse off killed than late.
   * Default: no.
   */
  outlives?: boolean;
};

export type RunEnd =
  | { kind: 'exited'; exitCode: number; output: string }
  | { kind: 'killed'; signal: string; output: string }
  | { kind: 'timed_out'; output: string }
  | { kind: 'stopped'; output: string }
  /** There is no such program, or it may not be run. */
  | { kind: 'not_started'; reason: string };

export type RunProgram = (command: Command, options: RunOptions) => Promise<RunEnd>;

/** How long to wait for the output of what has escaped from the group, once the program has ended. */
const drainMs = 1000;

/**
 * A watcher in the program's own process group reads from a pipe that only this process holds open. When this process
 * dies, however it dies, the pipe ends and the watcher kills the group. `$@` is the program with its arguments.
 */
const watched =
  '(trap "" TERM INT HUP; cat <&3; kill -KILL 0) </dev/null >/dev/null 2>&1 & exec 3<&-; exec "$@"';

/** Runs a program in a process group of its own, until it ends, its time is over or the signal is aborted. Never throws. */
export const runProgram: RunProgram = (command, options) => {
  const { signal, clock } = options;
  const tail = createOutputTail(options.maxOutputBytes, options.redact);
  if (signal.aborted) return Promise.resolve({ kind: 'stopped', output: '' });
  return new Promise((resolve) => {
    let cut: 'timed_out' | 'stopped' | null = null;
    const child = start(command, options);
    const cancelLimit = clock.after(options.timeLimitMs, () => end('timed_out'));
    const onAbort = () => end('stopped');
    signal.addEventListener('abort', onAbort);

    function end(why: 'timed_out' | 'stopped'): void {
      cut ??= why;
      killGroup(child);
    }

    function settle(outcome: RunEnd): void {
      cancelLimit();
      signal.removeEventListener('abort', onAbort);
      resolve(outcome);
    }

    child.stdout?.on('data', tail.add);
    child.stderr?.on('data', tail.add);
    // A program may end without having read its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    child.on('error', (error) => {
      if (child.pid === undefined)
        settle({ kind: 'not_started', reason: `${command.file}: ${error.message}` });
    });
    let cancelDrain: (() => void) | undefined;
    child.on('exit', () => {
      killGroup(child);
      cancelDrain = clock.after(drainMs, () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
    });
    child.on('close', (code, by) => {
      cancelDrain?.();
      for (const stream of child.stdio) stream?.destroy();
      const output = tail.text();
      if (cut !== null) settle({ kind: cut, output });
      else if (code === null) settle({ kind: 'killed', signal: by ?? 'unknown', output });
      else settle({ kind: 'exited', exitCode: code, output });
    });
  });
};

function start({ file, args }: Command, { folder, environment, outlives = false }: RunOptions): ChildProcess {
  const watch = !outlives && process.platform !== 'win32';
  const [program, given] = watch ? ['/bin/sh', ['-c', watched, 'sh', file, ...args]] : [file, args];
  return spawn(program, given, {
    cwd: folder,
    env: { ...environment },
    detached: process.platform !== 'win32',
    windowsHide: true,
    stdio: watch ? ['pipe', 'pipe', 'pipe', 'pipe'] : ['pipe', 'pipe', 'pipe'],
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    // Windows has no process groups; taskkill follows the tree from a process that still runs.
    if (child.exitCode === null) {
      spawn('taskkill', ['/PID', String(child.pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true }).on(
        'error',
        () => child.kill('SIGKILL'),
      );
    }
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: nobody of the group is left.
  }
}
