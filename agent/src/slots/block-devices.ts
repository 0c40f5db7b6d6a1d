/** What Linux says of block devices: how large they are, and which of them a folder lies on. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SlotsError } from './slots-error.ts';

/** `major:minor`, as Linux writes it. */
export type DeviceNumber = string;

export type BlockDevices = {
  /** Throws a SlotsError when there is no block device of this path. */
  numberOf(path: string): DeviceNumber;
  bytes(path: string): number;
  /** Every device that the folder, or what it would be made in, is on, be it through LVM, LUKS or the like. */
  under(folder: string): DeviceNumber[];
};

export type BlockDevicesOptions = {
  /** Default `/sys`. */
  sysfs?: string;
  /** Default `/proc/self/mountinfo` (proc_pid_mountinfo(5)). */
  mountInfo?: string;
};

const sectorBytes = 512;
const blockDevice = 0o060000;

export function createBlockDevices(options: BlockDevicesOptions = {}): BlockDevices {
  const { sysfs = '/sys', mountInfo = '/proc/self/mountinfo' } = options;
  const folderOf = (number: DeviceNumber) => join(sysfs, 'dev', 'block', number);

  function numberOf(path: string): DeviceNumber {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) {
      throw new SlotsError('partition_unfit', `${path} does not exist: partitions must name devices that do`);
    }
    if ((stats.mode & 0o170000) !== blockDevice) {
      throw new SlotsError('partition_unfit', `${path} is no block device`);
    }
    return deviceNumber(stats.rdev);
  }

  /** The device and whatever it is made of. */
  function withParts(number: DeviceNumber): DeviceNumber[] {
    const parts = join(folderOf(number), 'slaves');
    const below = existsSync(parts) ? readdirSync(parts) : [];
    return [
      number,
      ...below.flatMap((name) => withParts(readFileSync(join(parts, name, 'dev'), 'utf8').trim())),
    ];
  }

  function under(folder: string): DeviceNumber[] {
    let path = folder;
    while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
    const mount = mountOf(readFileSync(mountInfo, 'utf8'), realpathSync(path));
    // Some file systems, btrfs among them, give themselves a number that is no device's; their source is one.
    const isDevice = mount !== null && existsSync(folderOf(mount.number));
    if (isDevice) return withParts(mount.number);
    if (mount?.source.startsWith('/') && existsSync(mount.source)) return withParts(numberOf(mount.source));
    throw new SlotsError('partition_unfit', `on which partition ${folder} lies cannot be told`);
  }

  return {
    numberOf,
    bytes: (path) =>
      Number(readFileSync(join(folderOf(numberOf(path)), 'size'), 'utf8').trim()) * sectorBytes,
    under,
  };
}

/** glibc's `gnu_dev_major` and `gnu_dev_minor`, for the numbers that Linux gives block devices. */
function deviceNumber(rdev: number): DeviceNumber {
  const minorHigh = Math.floor(rdev / 2 ** 20) % 2 ** 12;
  return `${Math.floor(rdev / 2 ** 8) % 2 ** 12}:${(rdev % 2 ** 8) + minorHigh * 2 ** 8}`;
}

/** The last mount whose mount point the path is in or under. */
function mountOf(text: string, path: string): { number: DeviceNumber; source: string } | null {
  let found: { number: DeviceNumber; source: string; point: string } | null = null;
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , number = '', , escaped = ''] = before.split(' ');
    const point = unescaped(escaped);
    const isIn = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (point === '' || !isIn || (found !== null && found.point.length > point.length)) continue;
    found = { number, point, source: unescaped(after.split(' ')[1] ?? '') };
  }
  return found;
}

const unescaped = (text: string) =>
  text.replace(/\\(\d{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
