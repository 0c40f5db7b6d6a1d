/** The settings of the host service: one JSON file, read strictly. */
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { absolute, fieldsOf, SettingsError } from '../settings/fields.ts';
import { kernelBootId } from '../settings/read-settings.ts';
import { demandPlaces, ownSlotsFrom, partitionFrom } from '../settings/read-slots.ts';
import type { OwnSlotSettings, PartitionSettings } from '../settings/settings.ts';

export type HostSettings = {
  socket: { path: string; mode: 0o600 | 0o660 };
  /** What `iotdh-host-service init` has made. Default: `keys` in `stateFolder`. */
  keyFolder: string;
  stateFolder: string;
  /** Services that may be restarted, by systemd. */
  services: readonly string[];
  /** Services that may be restarted by a program of their own. */
  serviceCommands: Readonly<Record<string, readonly string[]>>;
  restartCommand: readonly string[];
  /** Whether packages may be installed. */
  packages: boolean;
  /** Whether Windows Update may be used. */
  windowsUpdate: boolean;
  /** The agent's data folder as the host sees it: the one place that images of slots are read from. Null: without slots. */
  imageFolder: string | null;
  /** Null: there are none for the agent. */
  slots: OwnSlotSettings | null;
  partitions: readonly PartitionSettings[];
  bootIdFile: string;
  /** Where programs are found. */
  programPath: string;
};

const maxBytes = 1024 * 1024;

/** Throws a SettingsError. */
export function readHostSettings(path: string): HostSettings {
  const bytes = readFileSync(path);
  if (bytes.length > maxBytes) throw new SettingsError(`${path} is no configuration: it is too long`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new SettingsError(`${path} is not JSON`);
  }
  const top = fieldsOf(parsed, '');
  const socket = top.object('socket') ?? fieldsOf({}, 'socket');
  const folder = (name: string, fallback: string) => {
    const given = top.text(name, fallback);
    if (!isAbsolute(given)) throw new SettingsError(`${name} must be an absolute path`);
    return given;
  };
  const allowed = (name: string) => top.oneOf(name, ['allowed', 'refused'], 'refused') === 'allowed';
  const stateFolder = folder('stateFolder', '/var/lib/iotdh-host-service');
  const imageFolder = top.textOrNull('imageFolder');
  const mode = socket.oneOf('mode', ['0600', '0660'], '0600');
  const settings: HostSettings = {
    socket: {
      path: socket.text('path', '/run/iotdh-host-service/host.sock'),
      mode: mode === '0600' ? 0o600 : 0o660,
    },
    keyFolder: folder('keyFolder', join(stateFolder, 'keys')),
    stateFolder,
    services: top.texts('services', []),
    serviceCommands: Object.fromEntries(top.object('serviceCommands')?.lists() ?? []),
    restartCommand: top.texts('restartCommand', ['systemctl', 'reboot']),
    packages: allowed('packages'),
    windowsUpdate: allowed('windowsUpdate'),
    imageFolder: imageFolder === null ? null : absolute(imageFolder, 'imageFolder'),
    slots: ownSlotsFrom(top.object('slots')),
    partitions: top
      .objects('partitions')
      .map((fields, index) => partitionFrom(fields, `partitions[${index}]`)),
    bootIdFile: top.text('bootIdFile', kernelBootId),
    programPath: top.text('programPath', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'),
  };
  for (const fields of [top, socket]) fields.end();
  demandPlaces(settings);
  if (settings.slots !== null && imageFolder === null) {
    throw new SettingsError('imageFolder must name the folder that images of slots are read from');
  }
  return settings;
}

/** What no base may replace, beside the state: without its keys the host service could not start in the new system. */
export function keptFoldersOf({ keyFolder, imageFolder }: HostSettings): string[] {
  return imageFolder === null ? [keyFolder] : [keyFolder, imageFolder];
}
