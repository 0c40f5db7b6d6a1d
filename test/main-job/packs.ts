/** Small packs for the tests, built by the code behind `iotdh pack build` and handed in over the API like any other. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuiltPack, buildPack } from '../../cli/src/pack-build/build-pack.ts';

/** What becomes of a patch after its files are swapped in. */
export type Fate = 'works' | 'works_slowly' | 'fails_its_check';

export type PatchOptions = {
  /** Made; holds the description, its files and the pack. */
  folder: string;
  version: string;
  fate?: Fate;
  /** Of a file that does not compress, so that there is something to carry. Default 300,000. */
  bytes?: number;
  /** Small files besides, each of 20,000 bytes. Default none. */
  smallFiles?: number;
};

const checks: Record<Fate, string> = {
  works: 'exit 0\n',
  works_slowly: 'sleep 3\n',
  fails_its_check: 'echo the application does not start\nexit 3\n',
};

/** Bytes that look random and are the same for the same seed (a linear congruential generator, Numerical Recipes). */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** A host application whose version is what its file says, and whose check runs that file. */
export async function buildPatch({
  folder,
  version,
  fate = 'works',
  bytes = 300_000,
  smallFiles = 0,
}: PatchOptions): Promise<BuiltPack> {
  await mkdir(join(folder, 'tree', 'data'), { recursive: true });
  await writeFile(join(folder, 'tree', 'version'), version);
  await writeFile(join(folder, 'tree', 'data', 'map.bin'), noise(bytes, [...version].length + bytes));
  for (let n = 0; n < smallFiles; n += 1)
    await writeFile(join(folder, 'tree', 'data', `${n}.bin`), noise(20_000, n + 1));
  await writeFile(join(folder, 'check.sh'), checks[fate]);
  const description = join(folder, 'pack.yaml');
  await writeFile(
    description,
    `name: workstation
version: ${version}
title: Workstation ${version}
create_time: 2026-11-01T12:00:00Z
components:
  - id: application
    title: The host application ${version}
    host_application:
      product: Workstation
      version: ${version}
      files:
        root: application
        mode: replace_root
        from: tree
    checks:
      - title: Every file is as its author made it
        files_match: true
      - title: It starts
        script:
          interpreter: sh
          file: check.sh
          time_limit: 10s
    undo: restore_previous
`,
  );
  return buildPack({
    description,
    folder: join(folder, 'pack'),
    createTime: new Date(0),
    level: 1,
    signal: new AbortController().signal,
  });
}

/** A baseline: the image of one boot partition. */
export async function buildBase({
  folder,
  version,
  bytes = 300_000,
}: Omit<PatchOptions, 'fate'>): Promise<BuiltPack> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'system.img'), noise(bytes, 77));
  const description = join(folder, 'pack.yaml');
  await writeFile(
    description,
    `name: workstation-baseline
version: ${version}
title: Workstation as it left the factory
kind: base
create_time: 2026-11-01T12:00:00Z
base:
  partitions:
    - name: system
      role: boot
      image: system.img
  products:
    - product: Workstation
      version: ${version}
`,
  );
  return buildPack({
    description,
    folder: join(folder, 'pack'),
    createTime: new Date(0),
    level: 1,
    signal: new AbortController().signal,
  });
}
