/** A child process that serves until it is stopped, and that ends when we do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export type KeptProcess = {
  /** Resolves when it is gone. Idempotent. */
  stop(): Promise<void>;
  /** Whether it is still there. */
  alive(): boolean;
};

export type KeptProcessOptions = {
  program: string;
  args: readonly string[];
  /** Looked for in what it prints; its first group is the answer of `started`. */
  ready: RegExp;
  readyMs: number;
  /** A folder that is removed when it has ended. */
  removeFolder?: string;
  /** Whether it may end with us without our waiting for it: it then keeps no event loop alive. */
  detached?: boolean;
};

const maxOutputLength = 8_000;

function readyWhen(child: ChildProcess, { program, ready, readyMs }: KeptProcessOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    let settled = false;
    const settle = (action: () => void) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      action();
    };
    const fail = (what: string) =>
      settle(() => {
        const last = output.trim().split('\n').slice(-3).join(' | ') || 'it printed nothing';
        reject(new Error(`${program} ${what}: ${last}`));
      });
    const timer = setTimeout(() => fail(`was not ready after ${readyMs} ms`), readyMs);
    const read = (chunk: Buffer) => {
      // Read on after it is ready: a full pipe would stop it.
      if (settled) return;
      output = (output + chunk.toString()).slice(-maxOutputLength);
      const found = ready.exec(output);
      if (found !== null) settle(() => resolve(found[1] ?? ''));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', () => fail('could not be started'));
    child.once('close', (code) => fail(`ended with code ${code}`));
  });
}

/** Starts the program and waits until it says that it is ready. Throws with the end of its output when it does not. */
export async function startKept(
  options: KeptProcessOptions,
): Promise<{ process: KeptProcess; answer: string }> {
  const { program, args, removeFolder, detached = false } = options;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'keeper.ts'), program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...(removeFolder !== undefined && { KEEPER_REMOVE: removeFolder }) },
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kept: KeptProcess = {
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      child.stdin?.end();
      await gone;
    },
  };
  // Writing to one that has just ended is an error that says nothing new.
  child.stdin?.on('error', () => {});
  try {
    const answer = await readyWhen(child, options);
    if (detached) {
      child.unref();
      for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Readable & Handle).unref?.();
    }
    return { process: kept, answer };
  } catch (error) {
    await kept.stop();
    throw error;
  }
}

/** Pipes to a child are sockets, which can be let go. */
type Handle = { unref?(): void };
