/** The processes that the demo starts, and their end: none of them outlives it. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Processes = {
  /** Starts one. Throws after `stop`. */
  start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  /** Ends one: SIGTERM, and SIGKILL if it takes too long. */
  end(child: ChildProcess): Promise<void>;
  /** Ends all. Idempotent. */
  stop(): Promise<void>;
};

/** The agent says goodbye within 5 s. */
const graceMs = 6_000;

export function createProcesses(): Processes {
  const running = new Set<ChildProcess>();
  let isStopped = false;

  const processes: Processes = {
    start(command, args, options) {
      if (isStopped) throw new Error(`${command} is not started: the demo ends`);
      const child = spawn(command, args, options);
      running.add(child);
      child.once('exit', () => running.delete(child));
      child.once('error', () => running.delete(child));
      return child;
    },
    async end(child) {
      if (!running.has(child)) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
    async stop() {
      isStopped = true;
      await Promise.all([...running].map(processes.end));
    },
  };
  return processes;
}
