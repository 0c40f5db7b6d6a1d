/**
 * Slots as files, for tests and for machines without a second partition table: `a/` and `b/` hold an image file for each
 * partition, `boot-environment.json` what the boot loader reads, `booted` which slot runs, and `images.json` which image
 * each partition was written with.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { readText, syncFolder, writeDurably } from '../durable/document.ts';
import {
  type BootEnvironment,
  boot,
  initialEnvironment,
  type SlotName,
  slotNames,
} from './boot-environment.ts';
import { createSlots, type SlotPartitions } from './create-slots.ts';
import { fileSize } from './device-partitions.ts';
import type { EnvironmentStore } from './environment-store.ts';
import type { OnFailPoint } from './fail-point.ts';
import { openImageRecord } from './image-record.ts';
import { isSlotName, readEnvironment } from './read-environment.ts';
import { createRecordedPartitions } from './recorded-partitions.ts';
import type { Inspection, Slots } from './slots.ts';
import { writeImage } from './write-image.ts';

export type FileImageSlotsOptions = {
  /** Holds everything; made if absent, and then the machine runs slot a. */
  folder: string;
  /** The size of each partition, in bytes, by name. */
  partitions: Readonly<Record<string, number>>;
  onFailPoint?: OnFailPoint;
};

const environmentIn = (folder: string) => join(folder, 'boot-environment.json');
const bootedIn = (folder: string) => join(folder, 'booted');
const imageIn = (folder: string, slot: SlotName, partition: string) => join(folder, slot, `${partition}.img`);

/** Throws when the boot environment cannot be read: a machine that does not know its slots must not write to one. */
export function createFileImageSlots({ folder, partitions, onFailPoint }: FileImageSlotsOptions): Slots {
  for (const slot of slotNames) mkdirSync(join(folder, slot), { recursive: true, mode: 0o700 });
  if (readText(environmentIn(folder)) === null) {
    save(folder, initialEnvironment('a'));
    writeDurably(bootedIn(folder), 'a');
  }
  load(folder);
  return createSlots({
    store: storeIn(folder),
    partitions: createRecordedPartitions({
      partitions: imageFiles(folder, partitions),
      record: openImageRecord(join(folder, 'images.json')),
      places: Object.keys(partitions).flatMap((partition) =>
        slotNames.map((slot) => {
          const path = imageIn(folder, slot, partition);
          return { slot, partition, path, bytes: () => fileSize(path) };
        }),
      ),
    }),
    ...(onFailPoint === undefined ? {} : { onFailPoint }),
  });
}

/** The file is replaced as a whole, and the boot loader reads nothing else: each change is one step. */
function storeIn(folder: string): EnvironmentStore {
  return {
    inspect: async () => inspect(folder),
    async change(by) {
      const inspection = inspect(folder);
      const outcome = by(inspection.environment, inspection);
      if (outcome.kind === 'refused') return outcome;
      if (outcome.environment !== inspection.environment) save(folder, outcome.environment);
      return null;
    },
  };
}

function imageFiles(folder: string, partitions: Readonly<Record<string, number>>): SlotPartitions {
  return {
    bytes: async (partition) => partitions[partition] ?? null,
    async write(slot, partition, { path, digest }, order) {
      const to = imageIn(folder, slot, partition);
      const partitionBytes = partitions[partition] ?? 0;
      await makeEmpty(to, partitionBytes);
      const end = await writeImage({ from: path, to, digest, partitionBytes, ...order });
      syncFolder(join(folder, slot));
      return end;
    },
  };
}

/** What a boot loader does when the machine starts. Returns the slot that comes up. */
export function bootFileImageSlots(folder: string): SlotName {
  const { slot, environment } = boot(load(folder));
  save(folder, environment);
  writeDurably(bootedIn(folder), slot);
  return slot;
}

function inspect(folder: string): Inspection {
  const booted = readText(bootedIn(folder))?.trim();
  if (!isSlotName(booted)) throw new Error(`${bootedIn(folder)} does not say which slot runs`);
  return { booted, environment: load(folder) };
}

function load(folder: string): BootEnvironment {
  const environment = readEnvironment(readText(environmentIn(folder)) ?? '');
  if (environment === null) throw new Error(`${environmentIn(folder)} is not a boot environment`);
  return environment;
}

function save(folder: string, environment: BootEnvironment): void {
  writeDurably(environmentIn(folder), `${JSON.stringify(environment)}\n`);
}

/** A file of that size which reads as zeros and takes no room yet. */
async function makeEmpty(path: string, bytes: number): Promise<void> {
  rmSync(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}
