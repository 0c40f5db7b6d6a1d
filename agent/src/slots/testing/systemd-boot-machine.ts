/** What systemd-boot does at a start, on folders that stand for the EFI system partition and for efivarfs. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { fromText, type LoaderVariable, toText } from '../systemd-boot/efi-variables.ts';
import { parseEntryName } from '../systemd-boot/entry-name.ts';

const vendor = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';

export type SystemdBootMachine = {
  readonly espFolder: string;
  readonly variablesFolder: string;
  readonly commandLinePath: string;
  entries(): string[];
  variable(name: LoaderVariable): Buffer | null;
  set(name: LoaderVariable, value: Buffer | null): void;
  /** Starts the machine: returns the id of the entry that was taken, as `iotdh-a.conf`. */
  boot(): string;
};

/** Set up with slot a's entry, or with what is given. */
export function systemdBootIn(
  folder: string,
  entries: readonly string[] = ['iotdh-a.conf'],
): SystemdBootMachine {
  const espFolder = join(folder, 'esp');
  const variablesFolder = join(folder, 'efivars');
  const commandLinePath = join(folder, 'cmdline');
  const entriesFolder = join(espFolder, 'loader', 'entries');
  for (const each of [entriesFolder, variablesFolder]) mkdirSync(each, { recursive: true });
  for (const name of entries) {
    const slot = name.includes('-a') ? 'a' : 'b';
    writeFileSync(join(entriesFolder, name), `options root=/dev/x iotdh.slot=${slot}\n`);
  }
  const pathOf = (name: LoaderVariable) => join(variablesFolder, `${name}-${vendor}`);
  const variable = (name: LoaderVariable) =>
    existsSync(pathOf(name)) ? readFileSync(pathOf(name)).subarray(4) : null;
  function set(name: LoaderVariable, value: Buffer | null): void {
    if (value === null) rmSync(pathOf(name), { force: true });
    else writeFileSync(pathOf(name), Buffer.concat([Buffer.from([7, 0, 0, 0]), value]));
  }
  const list = () =>
    readdirSync(entriesFolder)
      .filter((name) => name.endsWith('.conf'))
      .sort();

  function boot(): string {
    const files = list().flatMap((file) => {
      const name = parseEntryName(file);
      return name === null ? [] : [{ file, ...name }];
    });
    const wanted = (name: LoaderVariable) => {
      const value = variable(name);
      return value === null ? undefined : files.find(({ file }) => matchesGlob(file, toText(value)));
    };
    const once = wanted('LoaderEntryOneShot');
    set('LoaderEntryOneShot', null);
    // Those without tries left come last, then the later name first.
    const byOrder = files.toSorted(
      (x, y) => Number(x.triesLeft === 0) - Number(y.triesLeft === 0) || (x.id < y.id ? 1 : -1),
    );
    const taken = once ?? wanted('LoaderEntryDefault') ?? byOrder[0];
    if (taken === undefined) throw new Error('there is no entry');
    let { file } = taken;
    if (taken.triesLeft !== null && taken.triesLeft > 0) {
      file = `${taken.id}+${taken.triesLeft - 1}-${taken.triesDone + 1}.conf`;
      renameSync(join(entriesFolder, taken.file), join(entriesFolder, file));
    }
    set('LoaderInfo', fromText('systemd-boot 252.39-1~deb12u2'));
    set('LoaderFeatures', features);
    // The name that it had before its counter was taken down.
    set('LoaderEntrySelected', fromText(taken.file));
    const options = /^options (.*)$/m.exec(readFileSync(join(entriesFolder, file), 'utf8'))?.[1] ?? '';
    writeFileSync(commandLinePath, `initrd=x ${options}\n`);
    return `${taken.id}.conf`;
  }

  return { espFolder, variablesFolder, commandLinePath, entries: list, variable, set, boot };
}

/** As systemd-boot 252 says it. */
const features = Buffer.alloc(8);
features.writeBigUInt64LE(0x7fn);
