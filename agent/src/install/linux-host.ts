/** A Linux machine with systemd: its services and its restart. */
import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import type { ActionEnd, Host } from './ports.ts';
import { type RunProgram, runProgram } from './process-group.ts';

export type LinuxHostOptions = {
  clock: Clock;
  redact: (text: string) => string;
  /** How long systemd may take to start a service anew. Default 2 minutes. */
  restartLimitMs?: number;
  /** Default: the kernel's, another UUID after every boot (proc_sys_kernel(5)). */
  bootIdPath?: string;
  /** Default: on this machine. */
  run?: RunProgram;
};

export function createLinuxHost(options: LinuxHostOptions): Host {
  const { clock, redact, restartLimitMs = 120_000, run = runProgram } = options;
  const { bootIdPath = '/proc/sys/kernel/random/boot_id' } = options;

  async function systemctl(args: readonly string[], signal: AbortSignal): Promise<ActionEnd> {
    const end = await run(
      { file: 'systemctl', args: ['--no-ask-password', ...args] },
      {
        folder: '/',
        environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        timeLimitMs: restartLimitMs,
        maxOutputBytes: 64 * 1024,
        redact,
        signal,
        clock,
      },
    );
    const what = `systemctl ${args.join(' ')}`;
    switch (end.kind) {
      case 'exited': {
        const { exitCode, output } = end;
        if (exitCode === 0) return { kind: 'done', exitCode, output };
        return { kind: 'failed', reason: `${what} exited with ${exitCode}`, exitCode, output };
      }
      case 'stopped':
        return { kind: 'stopped' };
      case 'not_started':
        return { kind: 'failed', reason: end.reason };
      case 'timed_out':
        return {
          kind: 'failed',
          reason: `${what} took longer than ${restartLimitMs} ms`,
          output: end.output,
        };
      case 'killed':
        return { kind: 'failed', reason: `${what} was ended by ${end.signal}`, output: end.output };
    }
  }

  return {
    restartService: (name, signal) => systemctl(['restart', '--', name], signal),
    restartMachine: () => systemctl(['reboot'], new AbortController().signal),
    bootId: async () => (await readFile(bootIdPath, 'utf8')).trim(),
  };
}
