/** A process of the environment: started, awaited, stopped, killed, and gone when whoever started it is gone. */
import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { PortTaken } from './port-taken.ts';
import { reasonInLog, saysPortTaken } from './reason-in-log.ts';

/** One process of the environment. */
export type Part = {
  readonly name: string;
  /** 0 while it does not run. */
  readonly pid: number;
  /** What it writes to stdout and stderr, over all its lives. */
  readonly logPath: string;
  /** What it wrote last, in this life, that says why it ended. Empty: nothing. */
  reason(): Promise<string>;
  /** SIGKILL, as a power cut would; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
  /**
   * Starts it, again on the same ports and data; resolves when it is ready. Throws `PortTaken` when another process has one of its
   * ports, which it tries for a while once others know it by them.
   */
  start(): Promise<void>;
};

export type PartOptions = {
  name: string;
  logPath: string;
  /** The program of Node.js and its arguments, asked for at each start. */
  command(): { main: string; args: readonly string[]; env: Readonly<Record<string, string | undefined>> };
  /** Whether stdout's first line is an answer, which may hold keys, rather than for the log. */
  announces?: boolean;
  /** Resolves when it serves; its first line on stdout if it announces, else what it sent to its parent. */
  ready(child: { announced: Promise<string>; signal: AbortSignal }): Promise<void>;
  /** Told when it ends without having been asked to, after it was ready. */
  onLost?(code: number | null): void;
  /** How long it may take to be ready. Default 60 s. */
  readyMs?: number;
  /** How long it may take to end after SIGTERM before it is killed. Default 25 s: services drain. */
  stopMs?: number;
  /** How long a start that is not the first waits before it asks for a taken port again, ms. Default 250. */
  portMs?: number;
};

/**
 * Loaded into each process: the channel to the parent closes when the parent ends, however it ends. What does not end by itself
 * then is ended.
 */
const endWithParent = `data:text/javascript,${encodeURIComponent(`
import { isMainThread } from 'node:worker_threads';
if (isMainThread) {
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), 10_000).unref();
  });
  process.channel?.unref();
}`)}`;

/** Another environment that looks for ports holds one for an instant; what stays longer is not ours to wait for. */
const maxPortTries = 20;

const logTailBytes = 16_000;

export function createPart(options: PartOptions): Part {
  const {
    name,
    logPath,
    readyMs = 60_000,
    stopMs = 25_000,
    portMs = 250,
    onLost = () => undefined,
  } = options;
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let asked = false;
  let isServing = false;
  let hasServed = false;
  let isWanted = false;
  /** Where its log begins in this life, in bytes. */
  let began = 0;

  async function start(): Promise<void> {
    isWanted = true;
    for (let tries = 1; ; tries += 1) {
      try {
        await startOnce();
        hasServed = true;
        return;
      } catch (error) {
        if (!hasServed || !(error instanceof PortTaken) || tries === maxPortTries) throw error;
        await pause(portMs);
        if (!isWanted) throw error;
      }
    }
  }

  async function startOnce(): Promise<void> {
    const { main, args, env } = options.command();
    const log = await open(logPath, 'a', 0o600);
    began = (await log.stat()).size;
    const started = fork(main, args, {
      env: { ...env },
      execArgv: ['--import', endWithParent],
      stdio: ['ignore', options.announces === true ? 'pipe' : log.fd, log.fd, 'ipc'],
      // Ctrl-C in a terminal reaches its whole group: the environment decides in which order its parts end.
      detached: true,
    });
    await log.close();
    child = started;
    asked = false;
    isServing = false;
    const ended = new AbortController();
    gone = new Promise((resolve) => {
      started.once('close', (code) => {
        ended.abort(new Error(`${name} ended with ${code === null ? 'a signal' : `code ${code}`}`));
        if (child === started) child = undefined;
        if (isServing && !asked) onLost(code);
        resolve();
      });
    });
    started.once('error', (error) => ended.abort(error));
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(readyMs)]);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    try {
      const announced = announcementOf(started, options.announces === true, logPath);
      await Promise.race([options.ready({ announced, signal }), aborted]);
      isServing = true;
    } catch (cause) {
      asked = true;
      await end('SIGKILL');
      const said = await reason();
      const what =
        cause instanceof Error && cause.name === 'TimeoutError'
          ? `was not ready after ${readyMs} ms`
          : 'did not start';
      const message = `${name} ${what}: ${said || String(cause)} (all of it is in ${logPath})`;
      const isTaken = saysPortTaken(await tailOf(logPath, began));
      throw isTaken ? new PortTaken(message, { cause }) : new Error(message, { cause });
    }
  }

  async function reason(): Promise<string> {
    return reasonInLog(await tailOf(logPath, began));
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    asked = true;
    const running = child;
    if (running === undefined) return gone;
    running.kill(signal);
    const timer = setTimeout(() => running.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(timer);
  }

  return {
    name,
    logPath,
    get pid() {
      return child?.pid ?? 0;
    },
    start,
    reason,
    stop() {
      isWanted = false;
      return end('SIGTERM');
    },
    kill() {
      isWanted = false;
      return end('SIGKILL');
    },
  };
}

/** The first line on stdout, or the first message to the parent. What comes later on stdout goes to the log. */
function announcementOf(child: ChildProcess, onStdout: boolean, logPath: string): Promise<string> {
  const announced = new Promise<string>((resolve) => {
    if (!onStdout || child.stdout === null) {
      child.once('message', (message) => resolve(String(message)));
      return;
    }
    const log = createWriteStream(logPath, { flags: 'a' });
    let first = true;
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        if (first) resolve(line);
        else log.write(`${line}\n`);
        first = false;
      })
      .once('close', () => log.end());
  });
  return announced;
}

/** The end of a log, from an offset on. */
async function tailOf(path: string, from: number): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(Math.max(0, size - from), logTailBytes);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString();
  } finally {
    await file.close();
  }
}
