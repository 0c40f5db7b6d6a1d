/** The slots that the agent's configuration names, whatever boot loader chooses between them. */
import { join } from 'node:path';
import { readText, writeDurably } from '../durable/document.ts';
import type { OwnSlotSettings, PartitionSettings, Settings } from '../settings/settings.ts';
import { createBlockDevices } from './block-devices.ts';
import { createSlots } from './create-slots.ts';
import { createDevicePartitions, type DevicePartition, placesOf } from './device-partitions.ts';
import { createFileImageSlots } from './file-image-slots.ts';
import { openImageRecord } from './image-record.ts';
import { createLoaderStore, type LoaderStoreOptions } from './loader-store.ts';
import { readEnvironment } from './read-environment.ts';
import { createRecordedPartitions } from './recorded-partitions.ts';
import type { Slots } from './slots.ts';
import { SlotsError } from './slots-error.ts';
import { createEfiVariables } from './systemd-boot/efi-variables.ts';
import { createSystemdBootLoader } from './systemd-boot/systemd-boot-loader.ts';
import { type AskWindowsOptions, createAskWindows } from './windows/ask-windows.ts';
import { createWindowsBootLoader } from './windows/windows-boot-loader.ts';
import { createWindowsPartitions } from './windows/windows-partitions.ts';

/** Runs a program to its end; resolves with null, or with what went wrong. */
export type RunTool = (program: string, args: readonly string[]) => Promise<string | null>;

export type MachineSlotsOptions = {
  settings: Pick<Settings, 'partitions'> & { slots: OwnSlotSettings };
  /** Holds the record of what the slots hold; must exist, and be on a partition that no base replaces. */
  folder: string;
  /** Other folders that no base may replace. */
  keptFolders: readonly string[];
  bootId: () => Promise<string>;
  run: RunTool;
  /** What Windows' tools need. */
  surroundings: Omit<AskWindowsOptions, 'run'>;
};

/** Throws a SlotsError when the machine's partitions are not as configured. Whether its boot loader is, `inspect` tells. */
export function createMachineSlots(options: MachineSlotsOptions): Slots {
  const { settings, folder, bootId, run, surroundings } = options;
  const { slots, partitions } = settings;
  const keptFolders = [...options.keptFolders, folder];
  const recordPath = join(folder, 'slots.json');
  const record: LoaderStoreOptions['record'] = {
    read: () => readText(recordPath),
    write: (text) => writeDurably(recordPath, text),
  };
  switch (slots.kind) {
    case 'file-images': {
      const sizes = partitions.map(({ name, bytes }) => [name, bytes ?? 0] as const);
      return createFileImageSlots({ folder: slots.folder, partitions: Object.fromEntries(sizes) });
    }
    case 'systemd-boot': {
      const variables = createEfiVariables({
        folder: slots.variablesFolder,
        async unprotect(path) {
          const problem = await run('chattr', ['-i', path]);
          if (problem !== null) throw new SlotsError('order_failed', `${path} is protected: ${problem}`);
        },
      });
      const { espFolder, entries } = slots;
      const loader = createSystemdBootLoader({ espFolder, entries, variables });
      const devices = createBlockDevices();
      const own = partitions.map(deviceOf);
      return createSlots({
        store: createLoaderStore({ loader, record, parse: readEnvironment, bootId }),
        partitions: createRecordedPartitions({
          partitions: createDevicePartitions({ partitions: own, devices, keptFolders }),
          record: openImageRecord(join(folder, 'images.json')),
          places: placesOf(own, devices),
        }),
      });
    }
    case 'windows': {
      const windows = partitions.map(deviceOf);
      const system = windows.find(({ name }) => name === slots.system);
      if (system === undefined) {
        throw new SlotsError('partition_unfit', `there is no partition ${slots.system} with Windows`);
      }
      const ask = createAskWindows(surroundings);
      const loader = createWindowsBootLoader(ask, system.places);
      return createSlots({
        store: createLoaderStore({ loader, record, parse: readEnvironment, bootId }),
        partitions: createWindowsPartitions(ask, windows, keptFolders),
      });
    }
  }
}

function deviceOf({ name, places, bytes }: PartitionSettings): DevicePartition {
  if (places === null)
    throw new SlotsError('partition_unfit', `${name} does not say where it is in each slot`);
  return { name, places, fileBytes: bytes };
}
