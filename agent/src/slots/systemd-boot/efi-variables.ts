/**
 * The boot loader's variables in the firmware, by efivarfs: one file each, four bytes of attributes and then the value
 * (Linux, Documentation/filesystems/efivarfs.rst). Their meaning is systemd's "Boot Loader Interface".
 */
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SlotsError } from '../slots-error.ts';

export type LoaderVariable =
  | 'LoaderInfo'
  | 'LoaderFeatures'
  | 'LoaderEntrySelected'
  | 'LoaderEntryDefault'
  | 'LoaderEntryOneShot';

export type EfiVariables = {
  /** The bytes of the value; null: there is no such variable. */
  read(name: LoaderVariable): Promise<Buffer | null>;
  /** Null removes it. One write, which the firmware makes durable as a whole or not at all (UEFI 2.10, 8.2). */
  write(name: LoaderVariable, value: Buffer | null): Promise<void>;
};

export type EfiVariablesOptions = {
  /** Where efivarfs is mounted: `/sys/firmware/efi/efivars`. */
  folder: string;
  /** Lets a variable be changed: Linux protects all that it does not know against `rm -rf` (`chattr -i`). */
  unprotect: (path: string) => Promise<void>;
};

/** Of systemd's boot loader interface. */
const vendor = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
/** Non-volatile, for the boot services and for the running system. */
const attributes = 0x7;

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined);

export function createEfiVariables({ folder, unprotect }: EfiVariablesOptions): EfiVariables {
  const pathOf = (name: LoaderVariable) => join(folder, `${name}-${vendor}`);

  async function read(name: LoaderVariable): Promise<Buffer | null> {
    try {
      return (await readFile(pathOf(name))).subarray(4);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  }

  async function put(name: LoaderVariable, value: Buffer): Promise<void> {
    const bytes = Buffer.alloc(4 + value.length);
    bytes.writeUInt32LE(attributes);
    value.copy(bytes, 4);
    const file = await open(pathOf(name), 'w', 0o644);
    try {
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten !== bytes.length) throw new Error(`${bytesWritten} of ${bytes.length} bytes`);
    } finally {
      await file.close();
    }
  }

  return {
    read,
    async write(name, value) {
      const before = await read(name);
      if (before === null ? value === null : value?.equals(before)) return;
      try {
        if (before !== null) await unprotect(pathOf(name));
        if (value === null) await rm(pathOf(name));
        else await put(name, value);
      } catch (cause) {
        throw new SlotsError('order_failed', `the firmware did not take ${name}: ${cause}`, { cause });
      }
      const after = await read(name);
      if (value === null ? after === null : after?.equals(value)) return;
      throw new SlotsError(
        'order_failed',
        `the firmware did not keep ${name}: its memory may be full or broken`,
      );
    },
  };
}

/** Text as the boot loader writes it: UTF-16, with a NUL at its end. */
export const toText = (value: Buffer): string => value.toString('utf16le').replace(/\0+$/, '');
export const fromText = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf16le');
