/** The operations of the machine that this process itself may change: the agent's own, and the host service's. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createHost, type HostOptions } from '../host/host.ts';
import { runTool } from '../host/run-tool.ts';
import { createApt } from '../install/apt/apt.ts';
import type { Clock } from '../install/clock.ts';
import { createWindowsUpdate } from '../install/windows/windows-update.ts';
import { onMainsPower } from '../inventory/mains-power.ts';
import { createMachineSlots, type MachineSlotsOptions } from '../slots/machine-slots.ts';
import type { HostOperations } from './operations.ts';

export type NativeOptions = HostOptions & {
  environment: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  redact: (text: string) => string;
  /** Takes the output of an apt that outlives this process; must exist. */
  outputFolder: string;
  /** Where apt-get and dpkg are found. Default: the system's folders. */
  programPath?: string;
  /** What of the update services may be used, where the machine has it. */
  allows: { apt: boolean; windows: boolean };
  /** Null: the settings name none. */
  slots: Pick<MachineSlotsOptions, 'settings' | 'folder' | 'keptFolders'> | null;
};

export function createNativeOperations(options: NativeOptions): HostOperations {
  const { environment, clock, redact, outputFolder, programPath, allows, slots } = options;
  const host = createHost(options);
  const surroundings = { environment, clock, redact };
  const hasApt = programPath !== undefined || existsSync('/usr/bin/apt-get');
  const outputPath = join(outputFolder, 'apt-output');
  const path = programPath === undefined ? {} : { path: programPath };
  return {
    ...{ ...host, onMainsPower: async () => onMainsPower() },
    ...(allows.apt &&
      process.platform !== 'win32' &&
      hasApt && { apt: createApt({ clock, redact, outputPath, ...path }) }),
    ...(allows.windows && process.platform === 'win32' && { windows: createWindowsUpdate(surroundings) }),
    ...(slots !== null && {
      slots: createMachineSlots({ ...slots, bootId: host.bootId, run: runTool, surroundings }),
    }),
  };
}
