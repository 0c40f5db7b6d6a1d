/** A machine in qemu with UEFI firmware, and what it says on its serial line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Found } from './packages.ts';

export type Line = { what: string } & Record<string, unknown>;

export type MachineOptions = {
  found: Found;
  disk: string;
  /** Keeps the firmware's variables. */
  folder: string;
  /** Gives up after this long without a line, in ms. */
  silenceMs: number;
  signal: AbortSignal;
  onLine: (line: Line) => void;
  onConsole?: (text: string) => void;
};

/** Runs until the machine is off, or until `cutPowerAt` says so of a line. Resolves with the last line. */
export async function runMachine(
  options: MachineOptions,
  cutPowerAt: (line: Line) => boolean,
): Promise<Line | null> {
  const { found, disk, folder, silenceMs, signal, onLine, onConsole } = options;
  const variables = join(folder, 'variables.fd');
  if (!existsSync(variables)) copyFileSync(found.variables, variables);
  const args = [
    '-machine',
    'q35',
    '-accel',
    'tcg',
    '-cpu',
    'max',
    '-m',
    '1024',
    '-smp',
    '1',
    '-nodefaults',
    '-nographic',
    '-serial',
    'stdio',
    '-no-user-config',
    '-drive',
    `if=pflash,format=raw,unit=0,readonly=on,file=${found.firmware}`,
    '-drive',
    `if=pflash,format=raw,unit=1,file=${variables}`,
    '-drive',
    `if=virtio,format=raw,file=${disk},cache=writeback`,
  ];
  signal.throwIfAborted();
  const qemu = spawn(found.qemu, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  qemu.stderr.on('data', (chunk) => {
    stderr = `${stderr}${chunk}`.slice(-4096);
  });
  const closed = once(qemu, 'close');
  let last: Line | null = null;
  const giveUp = () => qemu.kill('SIGKILL');
  signal.addEventListener('abort', giveUp);
  let silence = setTimeout(giveUp, silenceMs);
  for await (const text of createInterface({ input: qemu.stdout })) {
    onConsole?.(text);
    const at = text.indexOf('REHEARSAL {');
    if (at < 0) continue;
    clearTimeout(silence);
    silence = setTimeout(giveUp, silenceMs);
    last = JSON.parse(text.slice(at + 'REHEARSAL '.length)) as Line;
    onLine(last);
    if (cutPowerAt(last)) qemu.kill('SIGKILL');
  }
  clearTimeout(silence);
  signal.removeEventListener('abort', giveUp);
  const [code] = await closed;
  signal.throwIfAborted();
  if (code !== 0 && code !== null) throw new Error(`qemu ended with ${code}: ${stderr}`);
  return last;
}
