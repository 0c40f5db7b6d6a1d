/** The operating system's services and the machine itself, by the programs that the settings name and no others. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { uptime } from 'node:os';

export type ActionEnd =
  | { kind: 'done'; exitCode?: number; output?: string }
  | { kind: 'failed'; reason: string; exitCode?: number; output?: string }
  | { kind: 'stopped' };

export type HostOptions = {
  /** What restarts a service that is named here; any other by systemd. */
  serviceCommands: Readonly<Record<string, readonly string[]>>;
  restartCommand: readonly string[];
  bootIdFile: string;
  /** Whether `bootIdFile` is the kernel's, so that the kernel says how long the machine has run. */
  kernelBoot: boolean;
};

export type MachineHost = {
  restartService(name: string, signal: AbortSignal): Promise<ActionEnd>;
  restartMachine(): Promise<ActionEnd>;
  bootId(): Promise<string>;
  /** How long ago the machine was started. */
  uptimeMs(): Promise<number>;
};

const serviceMs = 120_000;
const restartMs = 30_000;
const maxOutputBytes = 64 * 1024;
const never = new AbortController().signal;

export function createHost({
  serviceCommands,
  restartCommand,
  bootIdFile,
  kernelBoot,
}: HostOptions): MachineHost {
  return {
    restartService: (name, signal) => {
      const command = Object.hasOwn(serviceCommands, name) ? serviceCommands[name] : undefined;
      return run(command ?? ['systemctl', 'restart', '--', name], serviceMs, signal);
    },
    restartMachine: () => run(restartCommand, restartMs, never),
    bootId: async () => readFileSync(bootIdFile, 'utf8').trim(),
    uptimeMs: async () => (kernelBoot ? uptime() * 1000 : Date.now() - statSync(bootIdFile).mtimeMs),
  };
}

function run(command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<ActionEnd> {
  const [program, ...args] = command;
  if (program === undefined) return Promise.resolve({ kind: 'failed', reason: 'no program is set for it' });
  const options = { timeout: timeoutMs, maxBuffer: maxOutputBytes, signal };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim();
      if (error === null) return resolve({ kind: 'done', exitCode: 0, output });
      if (signal.aborted) return resolve({ kind: 'stopped' });
      const exitCode = typeof error.code === 'number' ? { exitCode: error.code } : {};
      const reason = error.killed
        ? `${program} took longer than ${timeoutMs} ms`
        : `${program} failed (${error.code})`;
      resolve({ kind: 'failed', reason, output, ...exitCode });
    });
  });
}
