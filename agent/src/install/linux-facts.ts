/** What a Linux machine is and has, for the requirements of a manifest. */
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './durable.ts';
import type { MachineFacts } from './ports.ts';

export type LinuxFactsOptions = {
  /** What the agent's inventory knows of the machine. */
  platform: MachineFacts['platform'];
  /** Default: the kernel's (Documentation/ABI/testing/sysfs-class-power). */
  powerSupplies?: string;
  /** Default: the kernel's (proc_meminfo(5)). */
  memoryInfo?: string;
};

export function createLinuxFacts(options: LinuxFactsOptions): MachineFacts {
  const { platform, powerSupplies = '/sys/class/power_supply', memoryInfo = '/proc/meminfo' } = options;

  async function text(path: string): Promise<string> {
    return await readFile(path, 'utf8').then(
      (found) => found.trim(),
      () => '',
    );
  }

  return {
    platform,
    async freeDisk(path) {
      const there = await nearest(path);
      const { bavail, bsize } = await statfs(there);
      return { fileSystem: String((await stat(there)).dev), bytes: bavail * bsize };
    },
    async freeMemoryBytes() {
      // MemAvailable counts what the kernel can give back at once; MemFree does not.
      const found = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile(memoryInfo, 'utf8'));
      if (found === null) throw new Error(`${memoryInfo} does not say what is available`);
      return Number(found[1]) * 1024;
    },
    async onMainsPower() {
      const names = await readdir(powerSupplies).catch(() => []);
      let batteries = 0;
      for (const name of names) {
        const folder = join(powerSupplies, name);
        const type = await text(join(folder, 'type'));
        if (type !== 'Battery') {
          if ((await text(join(folder, 'online'))) === '1') return true;
          continue;
        }
        // A mouse has a battery too: its scope is its device.
        if ((await text(join(folder, 'scope'))) === 'Device') continue;
        batteries += 1;
      }
      return batteries === 0;
    },
  };
}

/** The path, or the folder nearest to it that exists. */
async function nearest(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      await stat(folder);
      return folder;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || folder === dirname(folder)) throw error;
    }
  }
}
