/**
 * The machine's own partitions, by the paths that the agent's configuration gives and no others: block devices, or files of
 * a partition that both slots share, such as a kernel on the EFI system partition.
 */
import { statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../durable/document.ts';
import type { BlockDevices } from './block-devices.ts';
import { type SlotName, slotNames } from './boot-environment.ts';
import type { SlotPartitions } from './create-slots.ts';
import type { ImagePlace } from './recorded-partitions.ts';
import { SlotsError } from './slots-error.ts';
import { writeImage } from './write-image.ts';

export type DevicePartition = {
  name: string;
  /** Where it is in either slot. */
  places: Readonly<Record<SlotName, string>>;
  /** The most that a file may hold; null: it is a block device. */
  fileBytes: number | null;
};

export type DevicePartitionsOptions = {
  partitions: readonly DevicePartition[];
  devices: BlockDevices;
  /** Folders that no base may replace: those of the agent. */
  keptFolders: readonly string[];
};

/** Throws a SlotsError when a partition is missing, is both slots' at once, or holds a folder that is to be kept. */
export function createDevicePartitions(options: DevicePartitionsOptions): SlotPartitions {
  const { partitions, devices, keptFolders } = options;
  const taken = new Map<string, string>();
  for (const { name, places, fileBytes } of partitions) {
    for (const path of Object.values(places)) {
      const identity = fileBytes === null ? devices.numberOf(path) : path;
      const owner = taken.get(identity);
      if (owner !== undefined) {
        throw new SlotsError('partition_unfit', `${path} of ${name} is also a place of ${owner}`);
      }
      taken.set(identity, name);
      const kept = keptFolders.find(
        (folder) => fileBytes === null && devices.under(folder).includes(identity),
      );
      if (kept !== undefined) {
        const message = `${path} of ${name} holds ${kept}, which a base would overwrite: move it, or name another partition`;
        throw new SlotsError('partition_unfit', message);
      }
    }
  }
  const named = (name: string) => partitions.find((partition) => partition.name === name);

  return {
    async bytes(name) {
      const partition = named(name);
      if (partition === undefined) return null;
      const { places, fileBytes } = partition;
      return fileBytes ?? Math.min(devices.bytes(places.a), devices.bytes(places.b));
    },
    async write(slot, name, { path, digest }, order) {
      const partition = named(name);
      if (partition === undefined) return { kind: 'unfit', reason: `there is no partition ${name}` };
      const to = partition.places[slot];
      if (partition.fileBytes !== null)
        return writeFile({ from: path, to, digest, ...order }, partition.fileBytes);
      const partitionBytes = devices.bytes(to);
      return writeImage({ from: path, to, digest, partitionBytes, exclusively: true, ...order });
    },
  };
}

/** Where images can be read. */
export function placesOf(
  partitions: readonly DevicePartition[],
  devices: Pick<BlockDevices, 'bytes'>,
): ImagePlace[] {
  return partitions.flatMap(({ name, places, fileBytes }) =>
    slotNames.map((slot) => {
      const path = places[slot];
      const bytes = () => (fileBytes === null ? devices.bytes(path) : fileSize(path));
      return { slot, partition: name, path, bytes };
    }),
  );
}

/** 0 when there is no such file. */
export const fileSize = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Written anew, so that nothing of an older and longer one is left. */
async function writeFile(
  image: Omit<Parameters<typeof writeImage>[0], 'partitionBytes'>,
  maxBytes: number,
): ReturnType<typeof writeImage> {
  await rm(image.to, { force: true });
  await (await open(image.to, 'wx', 0o600)).close();
  const end = await writeImage({ ...image, partitionBytes: maxBytes });
  syncFolder(dirname(image.to));
  return end;
}
