/**
 * Room on every file system that an update writes to: what is still to be carried goes to the agent's own folder, the stage and what
 * undoing needs beside each root. Roots may lie on other file systems than the agent's folder, or share one with it.
 */
import type { Manifest } from '@iotdh/proto/update/v1';
import { fileSetOf } from './components.ts';
import { hexOf } from './files/content.ts';
import type { MachineFacts } from './ports.ts';

export type DiskOptions = {
  facts: MachineFacts;
  /** The folder of an install root, by its name. */
  rootPath(root: string): string | undefined;
  /** Where the agent keeps its own files. */
  stateFolder: string;
  /** Bytes that are still to be written to the agent's folder before anything is applied. */
  carryBytes: number;
};

type Need = { path: string; free: number; carried: bigint; files: bigint };

/** What is short, in words, one for each file system. */
export async function findShortDisks(manifest: Manifest, options: DiskOptions): Promise<string[]> {
  const { facts, rootPath, stateFolder, carryBytes } = options;
  const needs = new Map<string, Need>();
  async function needAt(path: string): Promise<Need> {
    const { fileSystem, bytes: free } = await facts.freeDisk(path);
    const need = needs.get(fileSystem) ?? { path, free, carried: 0n, files: 0n };
    needs.set(fileSystem, need);
    return need;
  }

  const sizes = new Map<string, bigint>();
  for (const { contents } of manifest.objects) {
    for (const { digest, size } of contents) sizes.set(hexOf(digest), size);
  }
  const components = manifest.content.case === 'patch' ? manifest.content.value.components : [];
  for (const component of components) {
    const files = fileSetOf(component);
    const path = files === undefined ? undefined : rootPath(files.root);
    if (files === undefined || path === undefined) continue;
    const need = await needAt(path);
    for (const { digest } of files.files) need.files += sizes.get(hexOf(digest)) ?? 0n;
  }
  const stated = manifest.requirements?.freeDiskBytes ?? 0n;
  const own = await needAt(stateFolder);
  own.carried = BigInt(carryBytes);
  // What an author states counts where files go, or, when none do, where the agent is; the stage itself has to fit anyway.
  const isAlone = needs.size === 1;
  return [...needs.values()].flatMap(({ path, free, carried, files }) => {
    const applies = files > 0n || isAlone;
    const forFiles = stated === 0n || !applies ? 2n * files : stated > files ? stated : files;
    const wanted = carried + forFiles;
    if (BigInt(free) >= wanted) return [];
    return [
      `it needs ${wanted} bytes free where ${path} is; ${free} are: make room for ${wanted - BigInt(free)} more`,
    ];
  });
}
