/**
 * systemd-boot: each slot is a boot loader entry. The default and the one-shot entry are variables of the firmware, and
 * systemd-boot removes the latter before it starts the entry. An entry on trial also has a boot counter of one, so that it is
 * not started twice even if the firmware forgets its variables.
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeDurably } from '../../durable/document.ts';
import { type SlotName, slotNames } from '../boot-environment.ts';
import type { BootLoader, LoaderState } from '../boot-loader.ts';
import { SlotsError } from '../slots-error.ts';
import { type EfiVariables, fromText, toText } from './efi-variables.ts';
import { entryFile, parseEntryName } from './entry-name.ts';
import { entryText, type SlotEntry, slotOnCommandLine } from './entry-text.ts';

export type SystemdBootOptions = {
  /** Where the EFI system partition is mounted, such as `/boot/efi`. */
  espFolder: string;
  entries: Readonly<Record<SlotName, SlotEntry>>;
  variables: EfiVariables;
  /** Default `/proc/cmdline`. */
  commandLinePath?: string;
};

/** LoaderFeatures, systemd's "Boot Loader Interface". */
const needed = { 'a default entry': 1n << 2n, 'one-shot entries': 1n << 3n, 'boot counting': 1n << 4n };

export const entryId = (slot: SlotName) => `iotdh-${slot}`;
/** Names the entry whatever its counter says: systemd-boot 252 takes the counter for a part of the name, and takes patterns. */
const patternOf = (slot: SlotName) => `${entryId(slot)}*`;

export function createSystemdBootLoader(options: SystemdBootOptions): BootLoader {
  const { espFolder, entries, variables, commandLinePath = '/proc/cmdline' } = options;
  const folder = join(espFolder, 'loader', 'entries');

  /** The files of each slot's entry, whatever their counters say. */
  async function filesOf(): Promise<{ slot: SlotName; file: string; triesLeft: number | null }[]> {
    let names: string[];
    try {
      names = await readdir(folder);
    } catch (cause) {
      const message = `${folder} cannot be read: is the EFI system partition mounted at ${espFolder}?`;
      throw new SlotsError('boot_loader_unfit', message, { cause });
    }
    return names.flatMap((file) => {
      const name = parseEntryName(file);
      const slot = slotNames.find((each) => entryId(each) === name?.id);
      return slot === undefined || name === null ? [] : [{ slot, file, triesLeft: name.triesLeft }];
    });
  }

  async function slotIn(variable: 'LoaderEntryDefault' | 'LoaderEntryOneShot' | 'LoaderEntrySelected') {
    const value = await variables.read(variable);
    const id =
      value === null
        ? null
        : (parseEntryName(toText(value))?.id ?? toText(value).toLowerCase().replace(/\*$/, ''));
    return slotNames.find((slot) => entryId(slot) === id) ?? null;
  }

  async function demandFeatures(): Promise<void> {
    const info = toText((await variables.read('LoaderInfo')) ?? Buffer.alloc(0));
    const features = await variables.read('LoaderFeatures');
    if (!info.startsWith('systemd-boot') || features === null || features.length < 8) {
      const found = info === '' ? 'no boot loader that says who it is' : info;
      throw new SlotsError('boot_loader_unfit', `the machine was started by ${found}, not by systemd-boot`);
    }
    const bits = features.readBigUInt64LE();
    for (const [name, bit] of Object.entries(needed)) {
      if ((bits & bit) === 0n) throw new SlotsError('boot_loader_unfit', `${info} does not know ${name}`);
    }
  }

  /** Both say it: the boot loader, and the kernel that it started. */
  async function bootedSlot(): Promise<SlotName> {
    const selected = await slotIn('LoaderEntrySelected');
    const named = slotOnCommandLine(await readFile(commandLinePath, 'utf8'));
    if (selected !== null && selected === named) return selected;
    throw new SlotsError(
      'running_slot_unknown',
      `which slot runs is not known: systemd-boot says ${selected ?? 'none'}, the kernel ${named ?? 'none'}`,
    );
  }

  async function removeFiles(slot: SlotName, except?: string): Promise<void> {
    for (const each of await filesOf()) {
      if (each.slot === slot && each.file !== except) await rm(join(folder, each.file));
    }
    syncFolder(folder);
  }

  return {
    async read(): Promise<LoaderState> {
      await demandFeatures();
      const offered = new Set((await filesOf()).map(({ slot }) => slot));
      return {
        booted: await bootedSlot(),
        byDefault: await slotIn('LoaderEntryDefault'),
        once: await slotIn('LoaderEntryOneShot'),
        offered: [...offered],
      };
    },
    async offer(slot, tries) {
      const file = entryFile(entryId(slot), tries);
      writeDurably(join(folder, file), entryText(slot, entries[slot]), 0o644);
      await removeFiles(slot, file);
    },
    withdraw: (slot) => removeFiles(slot),
    startOnce: (slot) =>
      variables.write('LoaderEntryOneShot', slot === null ? null : fromText(patternOf(slot))),
    async startByDefault(slot) {
      const plain = entryFile(entryId(slot), null);
      await variables.write('LoaderEntryDefault', fromText(patternOf(slot)));
      const files = (await filesOf()).filter((each) => each.slot === slot);
      const counted = files.find(({ triesLeft }) => triesLeft !== null);
      if (counted === undefined) return;
      // As systemd-bless-boot does it: a name without a counter says that the entry is good.
      await rename(join(folder, counted.file), join(folder, plain));
      await removeFiles(slot, plain);
    },
  };
}
