/** What an author of service packs has on disk: descriptions, scripts, and the files that they name. */
import { cp, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Release } from '../releases/fetch-releases.ts';
import { programPath, unpack } from '../releases/unpack.ts';
import type { Run } from '../run.ts';

export type AuthorOptions = {
  /** Made if it is missing. */
  folder: string;
  releases: { older: Release; newer: Release };
  /** Where the log collection of the demo listens, on loopback. */
  logCollectionPort: number;
  run: Run;
};

/** Paths of the three descriptions. */
export type Descriptions = { servicePack: string; damagedPack: string; baseline: string };

/** A binary that ends here has its headers and half of its code. */
const damagedBytes = 1_500_000;

const files = [
  'service-pack.yaml',
  'damaged-pack.yaml',
  'baseline.yaml',
  'says-its-version.mjs',
  'room-for-studies.mjs',
];

export async function layOutPacks(options: AuthorOptions): Promise<Descriptions> {
  const { folder, releases, logCollectionPort, run } = options;
  const at = (...parts: string[]) => join(folder, ...parts);
  const both = (age: string) => ({
    hostApplication: at(age, 'host-application'),
    imagingLibraries: at(age, 'imaging-libraries'),
  });
  await mkdir(at('baseline'), { recursive: true });
  await Promise.all([
    unpack(releases.newer, both('newer'), run),
    unpack(releases.older, both('system'), run),
    ...files.map(async (name) => {
      const text = await readFile(join(import.meta.dirname, name), 'utf8');
      await writeFile(at(name), text.replaceAll('LOG_COLLECTION_PORT', String(logCollectionPort)));
    }),
  ]);
  await cp(at('newer', 'host-application'), at('damaged', 'host-application'), { recursive: true });
  await truncate(at('damaged', 'host-application', programPath), damagedBytes);
  // The image of the system partition: what the machine mounts when it starts is what is in this archive.
  const sorted = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run('tar', [...sorted, '-C', at('system'), '-cf', at('baseline', 'system.img'), '.']);
  await rm(at('system'), { recursive: true });
  return {
    servicePack: at('service-pack.yaml'),
    damagedPack: at('damaged-pack.yaml'),
    baseline: at('baseline.yaml'),
  };
}
