/** What this machine is and has, read from the operating system. */
import { existsSync, readFileSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { arch, freemem, platform, release } from 'node:os';
import { dirname, join } from 'node:path';
import { onMainsPower } from './mains-power.ts';
import { windowsVersion } from './windows-version.ts';

export type MachinePlatform = {
  operatingSystem: 'windows' | 'linux' | null;
  architecture: 'x64' | 'arm64' | null;
  /** Such as `debian-12`, or Windows' own `10.0.26100.2314`; empty: not known. */
  operatingSystemVersion: string;
  model: string;
};

export type MachineFacts = {
  platform(): Promise<MachinePlatform>;
  freeDisk(path: string): Promise<{ fileSystem: string; bytes: number }>;
  freeMemoryBytes(): Promise<number>;
  onMainsPower(): Promise<boolean>;
  /** The operating system as a product. */
  operatingSystemProduct(): { product: string; version: string };
};

/** `root` is where the machine's own files are, `/` but for tests; `model` is from the settings. */
export function createMachineFacts({ model, root = '/' }: { model: string; root?: string }): MachineFacts {
  const release_ = osRelease(root);
  // Once is enough: an update raises it by a restart of the machine.
  const ofWindows = platform() === 'win32' ? windowsVersion(release()) : null;
  const operatingSystems: Partial<Record<NodeJS.Platform, 'windows' | 'linux'>> = {
    win32: 'windows',
    linux: 'linux',
  };
  const architectures: Record<string, 'x64' | 'arm64'> = { x64: 'x64', arm64: 'arm64' };

  const versionName = () => {
    if (ofWindows !== null) return ofWindows;
    return [release_.get('ID'), release_.get('VERSION_ID')].filter(Boolean).join('-').slice(0, 64);
  };

  return {
    platform: async () => ({
      operatingSystem: operatingSystems[platform()] ?? null,
      architecture: architectures[arch()] ?? null,
      operatingSystemVersion: versionName(),
      model,
    }),
    async freeDisk(path) {
      let known = path;
      while (!existsSync(known) && dirname(known) !== known) known = dirname(known);
      const { bavail, bsize } = await statfs(known);
      return { fileSystem: String((await stat(known)).dev), bytes: bavail * bsize };
    },
    // What Linux could free at once counts too, which os.freemem() leaves out.
    freeMemoryBytes: async () => process.availableMemory?.() ?? freemem(),
    onMainsPower: async () => onMainsPower(root),
    operatingSystemProduct() {
      if (ofWindows !== null) return { product: 'Windows', version: ofWindows };
      const name = release_.get('NAME') ?? platform();
      return { product: name.slice(0, 128), version: asVersion(release_.get('VERSION_ID') ?? release()) };
    },
  };
}

/** The fields of os-release(5). */
function osRelease(root: string): Map<string, string> {
  const path = ['etc/os-release', 'usr/lib/os-release'].map((name) => join(root, name)).find(existsSync);
  if (path === undefined) return new Map();
  const lines = readFileSync(path, 'utf8').split('\n');
  const fields = lines.map((line) => /^([A-Z_]+)=["']?(.*?)["']?$/.exec(line));
  return new Map(fields.flatMap((field) => (field === null ? [] : [[field[1] ?? '', field[2] ?? '']])));
}

/** A text in the notation that the contract has for versions. */
export function asVersion(text: string): string {
  const cleaned = text.replace(/[^0-9A-Za-z.+_~:-]/g, '-').replace(/^[^0-9A-Za-z]+/, '');
  return cleaned.slice(0, 64) || 'unknown';
}
