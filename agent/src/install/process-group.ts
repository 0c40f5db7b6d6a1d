/** Runs a program so that nothing that it started outlives its time limit, or this process. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
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
   * A file that takes the output of a program that goes on when this process dies or the signal is aborted: a pipe that nobody
   * reads would end it. For package managers, which are worse off killed than late. Default: it does not go on.
   */
  outlivesInto?: string;
};

export type RunEnd =
  /** `output` is for reports: redacted, at most 4 KiB. `stdout` is the end of standard output alone, as it came. */
  | { kind: 'exited'; exitCode: number; output: string; stdout: string }
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
  const stdout = createOutputTail(options.maxOutputBytes, (text) => text);
  const { outlivesInto } = options;
  if (signal.aborted) return Promise.resolve({ kind: 'stopped', output: '' });
  return new Promise((resolve) => {
    let cut: 'timed_out' | 'stopped' | null = null;
    const child = start(command, options);
    const cancelLimit = clock.after(options.timeLimitMs, () => end('timed_out'));
    const onAbort = () => end('stopped');
    signal.addEventListener('abort', onAbort);

    function end(why: 'timed_out' | 'stopped'): void {
      cut ??= why;
      if (outlivesInto !== undefined && why === 'stopped') {
        child.unref();
        settle({ kind: 'stopped', output: '' });
      } else killGroup(child);
    }

    function settle(outcome: RunEnd): void {
      cancelLimit();
      signal.removeEventListener('abort', onAbort);
      resolve(outcome);
    }

    child.stdout?.on('data', (bytes: Buffer) => {
      tail.add(bytes);
      stdout.add(bytes);
    });
    child.stderr?.on('data', tail.add);
    // A program may end without having read its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
    child.on('error', (error) => {
      if (child.pid === undefined)
        settle({ kind: 'not_started', reason: `${command.file}: ${error.message}` });
    });
    let cancelDrain: (() => void) | undefined;
    child.on('exit', () => {
      if (outlivesInto === undefined) killGroup(child);
      cancelDrain = clock.after(drainMs, () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
    });
    child.on('close', (code, by) => {
      cancelDrain?.();
      for (const stream of child.stdio) stream?.destroy();
      if (outlivesInto !== undefined) {
        const written = readEnd(outlivesInto, options.maxOutputBytes);
        tail.add(written);
        stdout.add(written);
      }
      const output = tail.text();
      if (cut !== null) settle({ kind: cut, output });
      else if (code === null) settle({ kind: 'killed', signal: by ?? 'unknown', output });
      else settle({ kind: 'exited', exitCode: code, output, stdout: stdout.whole() });
    });
  });
};

function start({ file, args }: Command, options: RunOptions): ChildProcess {
  const { folder, environment, outlivesInto } = options;
  const bounds = {
    cwd: folder,
    env: { ...environment },
    detached: process.platform !== 'win32',
    windowsHide: true,
  } as const;
  if (outlivesInto !== undefined) {
    const output = openSync(outlivesInto, 'w', 0o600);
    try {
      return spawn(file, args, { ...bounds, stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
  }
  const input = options.input === undefined ? 'ignore' : 'pipe';
  if (process.platform === 'win32') return spawn(file, args, { ...bounds, stdio: [input, 'pipe', 'pipe'] });
  const stdio: StdioOptions = [input, 'pipe', 'pipe', 'pipe'];
  return spawn('/bin/sh', ['-c', watched, 'sh', file, ...args], { ...bounds, stdio });
}

/** The end of a file, of at most so many bytes. */
function readEnd(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, size - bytes.length));
  } finally {
    closeSync(file);
  }
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
