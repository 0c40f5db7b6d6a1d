/** Folders with a description and its files, for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type BuildOptions, type BuiltPack, buildPack } from '../build-pack.ts';

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-pack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Files by path; a path that begins with `+` is executable. */
export type Tree = Readonly<Record<string, string | Uint8Array>>;

export async function writeTree(folder: string, tree: Tree): Promise<void> {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(folder, name.replace(/^\+/, ''));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    await chmod(path, name.startsWith('+') ? 0o755 : 0o644);
  }
}

/** A description of one component a, whose files are in `tree/` beside it. */
export const patchYaml = `
name: carto
version: 8.10
title: Carto 8.10
create_time: 2026-11-01T12:00:00Z
components:
  - id: carto
    title: Carto itself
    host_application:
      product: Carto
      version: 8.10
      files:
        root: carto
        mode: replace_root
        from: tree
    undo: restore_previous
`;

/** Writes `pack.yaml` and builds it into `out`. */
export async function build(
  folder: string,
  yaml: string,
  options: Partial<BuildOptions> = {},
): Promise<BuiltPack> {
  const description = join(folder, 'pack.yaml');
  await writeFile(description, yaml);
  return buildPack({
    description,
    folder: join(folder, 'out'),
    createTime: new Date(0),
    signal: new AbortController().signal,
    ...options,
  });
}
