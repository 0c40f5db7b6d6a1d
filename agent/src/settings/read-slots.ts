/** The fields of the configuration that say where the slots of a BASE are. */
import { absolute, type Fields, fieldsOf, SettingsError } from './fields.ts';
import type { BootEntry, OwnSlotSettings, PartitionSettings, Settings, SlotSettings } from './settings.ts';

export const gibibyte = 1024 ** 3;
const ownKinds = ['file-images', 'systemd-boot', 'windows'] as const;
const kinds = [...ownKinds, 'host-service'] as const;
const partitionGuid = /^\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/i;

/** `{ "folder": … }` alone, as before there were kinds, means image files. */
export function slotsFrom(fields: Fields | null): SlotSettings | null {
  if (fields === null) return null;
  const kind = fields.oneOf('kind', kinds, 'file-images');
  const slots = readers[kind](fields);
  fields.end();
  return slots;
}

/** Those of a process that writes them itself. */
export function ownSlotsFrom(fields: Fields | null): OwnSlotSettings | null {
  if (fields === null) return null;
  const slots = readers[fields.oneOf('kind', ownKinds, 'file-images')](fields);
  fields.end();
  return slots;
}

type Read<Kind> = (fields: Fields) => Extract<SlotSettings, { kind: Kind }>;
const readers: { [Kind in SlotSettings['kind']]: Read<Kind> } = {
  'file-images': fileImages,
  'systemd-boot': systemdBoot,
  windows: (fields) => ({ kind: 'windows', system: fields.text('system', 'windows') }),
  'host-service': () => ({ kind: 'host-service' }),
};

function fileImages(fields: Fields): Extract<SlotSettings, { kind: 'file-images' }> {
  return { kind: 'file-images', folder: absolute(fields.text('folder', ''), 'slots.folder') };
}

function systemdBoot(fields: Fields): Extract<SlotSettings, { kind: 'systemd-boot' }> {
  const entries = fields.object('entries') ?? fieldsOf({}, 'slots.entries');
  const read: ReturnType<typeof systemdBoot> = {
    kind: 'systemd-boot',
    espFolder: absolute(fields.text('espFolder', '/boot/efi'), 'slots.espFolder'),
    variablesFolder: absolute(
      fields.text('variablesFolder', '/sys/firmware/efi/efivars'),
      'slots.variablesFolder',
    ),
    entries: { a: entryFrom(entries.object('a'), 'a'), b: entryFrom(entries.object('b'), 'b') },
  };
  entries.end();
  return read;
}

/** None of it may end its line in the boot loader's file and begin another. */
const isLine = (text: string) => text !== '' && !/[\r\n]/.test(text);

function entryFrom(fields: Fields | null, slot: string): BootEntry {
  const name = `slots.entries.${slot}`;
  if (fields === null) throw new SettingsError(`${name} must say how the slot is started`);
  const entry = {
    title: fields.text('title', `System ${slot}`),
    linux: absolute(fields.text('linux', ''), `${name}.linux`),
    initrd: fields.texts('initrd', []).map((path) => absolute(path, `${name}.initrd`)),
    options: fields.text('options', ''),
  };
  fields.end();
  if (![entry.title, entry.linux, ...entry.initrd, entry.options].every(isLine)) {
    throw new SettingsError(`${name} must have a title, linux, initrd and options of one line each`);
  }
  return entry;
}

export function partitionFrom(fields: Fields, path: string): PartitionSettings {
  const [a, b] = [fields.textOrNull('a'), fields.textOrNull('b')];
  if ((a === null) !== (b === null)) throw new SettingsError(`${path} must have both a and b, or neither`);
  const read: PartitionSettings = {
    name: fields.text('name', ''),
    role: fields.oneOf('role', ['boot', 'data'], 'data'),
    bytes:
      a !== null && !fields.has('bytes')
        ? null
        : fields.integer('bytes', 0, { min: 1, max: 1024 * gibibyte }),
    places: a === null || b === null ? null : { a, b },
  };
  fields.end();
  return read;
}

/** Each partition says where it is, in the way of what chooses between the slots; and no two have one name. */
export function demandPlaces({ slots, partitions }: Pick<Settings, 'slots' | 'partitions'>): void {
  if (slots?.kind === 'host-service' && partitions.length > 0) {
    throw new SettingsError('partitions are the host service’s: name them in its settings');
  }
  for (const [index, { name, bytes, places }] of partitions.entries()) {
    const at = `partitions[${index}]`;
    if (partitions.findIndex((other) => other.name === name) !== index) {
      throw new SettingsError(`${at} has the name ${name} of another one`);
    }
    if (slots === null || slots.kind === 'file-images') {
      if (places === null) continue;
      throw new SettingsError(`${at} must have bytes, and neither a nor b: slots are image files`);
    }
    if (places === null) throw new SettingsError(`${at} must say where it is in each slot, by a and b`);
    for (const [slot, place] of Object.entries(places)) {
      if (slots.kind === 'systemd-boot') absolute(place, `${at}.${slot}`);
      else if (!partitionGuid.test(place))
        throw new SettingsError(`${at}.${slot} must be a GPT GUID in braces`);
    }
    if (slots.kind === 'windows' && bytes !== null) {
      throw new SettingsError(`${at} must not have bytes: Windows knows how large it is`);
    }
  }
  if (slots?.kind === 'windows' && !partitions.some(({ name }) => name === slots.system)) {
    throw new SettingsError('slots.system must be the name of one of the partitions');
  }
}
