/**
 * Slots as files, for tests and for machines without a second partition table: `a/` and `b/` hold an image file for each
 * partition, `boot-environment.json` what the boot loader reads, and `booted` which slot runs.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { readText, syncFolder, writeDurably } from '../durable/document.ts';
import {
  allWritten,
  arm,
  type BootEnvironment,
  beginWriting,
  boot,
  type Changed,
  condemn,
  initialEnvironment,
  otherSlot,
  partitionWritten,
  prove,
  type Refused,
  type SlotName,
  slotNames,
} from './boot-environment.ts';
import type { OnFailPoint } from './fail-point.ts';
import { isSlotName, readEnvironment } from './read-environment.ts';
import type { ImageEnd, Inspection, Slots } from './slots.ts';
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

/** Throws when the boot environment cannot be read: a machine that does not know its slots must not write to one. */
export function createFileImageSlots({ folder, partitions, onFailPoint }: FileImageSlotsOptions): Slots {
  for (const slot of slotNames) mkdirSync(join(folder, slot), { recursive: true, mode: 0o700 });
  if (readText(environmentIn(folder)) === null) {
    save(folder, initialEnvironment('a'));
    writeDurably(bootedIn(folder), 'a');
  }
  load(folder);

  const imageOf = (slot: SlotName, partition: string) => join(folder, slot, `${partition}.img`);

  /** Durable before it is answered. */
  function change(by: (environment: BootEnvironment) => Changed | Refused): Refused | null {
    const environment = load(folder);
    const outcome = by(environment);
    if (outcome.kind === 'refused') return outcome;
    if (outcome.environment !== environment) save(folder, outcome.environment);
    return null;
  }

  async function write(
    ...[content, partition, image, signal]: Parameters<Slots['write']>
  ): Promise<ImageEnd> {
    const { booted, environment } = inspect(folder);
    const { good, spare } = environment;
    const bytes = partitions[partition];
    if (bytes === undefined) return { kind: 'unfit', reason: `there is no partition ${partition}` };
    if (bytes < image.minPartitionBytes) {
      return {
        kind: 'unfit',
        reason: `${partition} has ${bytes} bytes, ${image.minPartitionBytes} are needed`,
      };
    }
    if (spare.kind === 'void' || spare.content !== content || booted !== good) {
      return { kind: 'unfit', reason: 'the other slot was not made ready for this content' };
    }
    const to = imageOf(otherSlot(good), partition);
    if (spare.kind === 'whole' || spare.partitions.includes(partition)) return { kind: 'written', bytes: 0 };
    await makeEmpty(to, bytes);
    const end = await writeImage({
      from: image.path,
      to,
      digest: image.digest,
      partitionBytes: bytes,
      toIsZeroed: true,
      signal,
      onPiece: () => onFailPoint?.('piece_written', partition),
      onFlushed: () => onFailPoint?.('image_flushed', partition),
    });
    if (end.kind !== 'written') return end;
    syncFolder(join(folder, otherSlot(good)));
    onFailPoint?.('image_verified', partition);
    const refused = change((environment) => partitionWritten(environment, content, partition));
    if (refused !== null) return { kind: 'unfit', reason: refused.reason };
    onFailPoint?.('partition_recorded', partition);
    return end;
  }

  return {
    write,
    inspect: async () => inspect(folder),
    partitionBytes: async (partition) => partitions[partition] ?? null,
    begin: async (content) =>
      change((environment) => beginWriting(environment, inspect(folder).booted, content)),
    finish: async (content, names) => change((environment) => allWritten(environment, content, names)),
    arm: async (trial) => change((environment) => arm(environment, trial)),
    markGood: async () => change((environment) => prove(environment, inspect(folder).booted)),
    condemn: async () => change(condemn),
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
