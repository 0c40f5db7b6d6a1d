/** The disk of a rehearsed machine: systemd-boot on an EFI system partition, two slots, and the agent's own partition. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { PlannedBase } from './inside.ts';
import type { Found } from './packages.ts';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

/** In MiB, in the order in which they lie on the disk. */
const layout = [
  { name: 'esp', type: 'U', from: 1, size: 96 },
  { name: 'a', type: 'L', from: 97, size: 16 },
  { name: 'b', type: 'L', from: 113, size: 16 },
  { name: 'agent', type: 'L', from: 129, size: 400 },
] as const;

const modules = [
  'virtio',
  'virtio_ring',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_blk',
  'fat',
  'vfat',
  'nls_cp437',
  'nls_ascii',
  'efivarfs',
];

export type DiskOptions = {
  folder: string;
  found: Found;
  /** The repository, of which the agent's sources are taken. */
  repository: string;
  /** Systems to bring in, one after the other; a name that ends with `fails` or `hangs` does so. */
  bases: readonly string[];
};

/** Returns the path of the disk's image. */
export async function buildDisk({ folder, found, repository, bases }: DiskOptions): Promise<string> {
  const at = (...parts: string[]) => join(folder, ...parts);
  const disk = at('disk.img');
  writeFileSync(disk, '');
  truncateSync(disk, 530 * mebibyte);
  const lines = layout.map(
    ({ name, type, from, size }) => `start=${from}MiB, size=${size}MiB, type=${type}, name=${name}`,
  );
  writeFileSync(at('layout'), `label: gpt\n${lines.join('\n')}\n`);
  await run('sh', ['-c', 'sfdisk --quiet "$1" < "$2"', 'sh', disk, at('layout')]);

  const initrd = await buildInitrd(at('initrd'), found);
  await buildSystem(at('first.img'), 'first');
  await put(disk, 'a', at('first.img'));

  await buildAgentFolder(at('agent'), { found, repository });
  const contents = at('agent', 'state', 'contents');
  mkdirSync(contents, { recursive: true });
  const keep = (path: string): string => {
    const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
    copyFileSync(path, join(contents, digest));
    return digest;
  };
  const plan: PlannedBase[] = [];
  for (const name of bases) {
    await buildSystem(at(`${name}.img`), name);
    plan.push({
      name,
      partitions: [
        { name: 'system', digest: keep(at(`${name}.img`)) },
        { name: 'kernel', digest: keep(found.kernel) },
        { name: 'initrd', digest: keep(initrd) },
      ],
    });
  }
  writeFileSync(at('agent', 'state', 'plan.json'), JSON.stringify(plan));
  writeFileSync(at('agent', 'state', 'config.json'), JSON.stringify(config));
  await ext4(at('agent.img'), at('agent'), 400);
  await put(disk, 'agent', at('agent.img'));

  await buildEsp(at('esp.img'), { folder, found, initrd });
  await put(disk, 'esp', at('esp.img'));
  return disk;
}

const entryOf = (slot: 'a' | 'b', device: string) => ({
  title: `System ${slot}`,
  linux: `/iotdh/${slot}/linux`,
  initrd: [`/iotdh/${slot}/initrd`],
  options: `root=${device} console=ttyS0 panic=5 quiet`,
});
const entries = { a: entryOf('a', '/dev/vda2'), b: entryOf('b', '/dev/vda3') };

/** As a site would write it, for a machine whose disk is always the same. */
const config = {
  dataDir: '/state',
  credentials: { connectionStringFile: '/state/none' },
  slots: { kind: 'systemd-boot', espFolder: '/esp', entries },
  partitions: [
    { name: 'system', role: 'boot', a: '/dev/vda2', b: '/dev/vda3' },
    { name: 'kernel', role: 'boot', a: '/esp/iotdh/a/linux', b: '/esp/iotdh/b/linux', bytes: 32 * mebibyte },
    {
      name: 'initrd',
      role: 'boot',
      a: '/esp/iotdh/a/initrd',
      b: '/esp/iotdh/b/initrd',
      bytes: 32 * mebibyte,
    },
  ],
};

async function put(disk: string, name: string, image: string): Promise<void> {
  const from = layout.find((partition) => partition.name === name)?.from ?? 0;
  await run('dd', [`if=${image}`, `of=${disk}`, 'bs=1M', `seek=${from}`, 'conv=notrunc,sparse']);
}

async function ext4(image: string, folder: string, sizeMiB: number): Promise<void> {
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', folder, image, `${sizeMiB}M`]);
}

async function buildSystem(image: string, name: string): Promise<void> {
  const folder = `${image}.folder`;
  mkdirSync(folder);
  writeFileSync(join(folder, 'name'), name);
  await ext4(image, folder, 12);
}

/** A kernel's first file system: busybox, the modules for this machine, and `init.sh`. */
async function buildInitrd(path: string, { busybox, modules: from }: Found): Promise<string> {
  const folder = `${path}.folder`;
  for (const name of ['bin', 'dev', 'proc', 'sys', 'system', 'data', 'modules'])
    mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(busybox, join(folder, 'bin', 'busybox'));
  copyFileSync(join(import.meta.dirname, 'init.sh'), join(folder, 'init'));
  chmodSync(join(folder, 'init'), 0o755);
  for (const name of modules) {
    const [file] = globSync(join(from, '**', `${name}.ko`));
    if (file !== undefined) copyFileSync(file, join(folder, 'modules', `${name}.ko`));
  }
  const archive = 'cd "$1" && find . | "$2" cpio -o -H newc 2>/dev/null | gzip > "$3"';
  await run('sh', ['-c', archive, 'sh', folder, busybox, path]);
  return path;
}

/** Node with its libraries, the agent's sources, and what they need of npm. */
async function buildAgentFolder(
  folder: string,
  { found, repository }: Pick<DiskOptions, 'found' | 'repository'>,
): Promise<void> {
  for (const name of ['dev', 'proc', 'sys', 'esp', 'state', 'tmp', 'bin'])
    mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(process.execPath, join(folder, 'node'));
  copyFileSync(found.busybox, join(folder, 'bin', 'busybox'));
  copyFileSync(found.chattr, join(folder, 'bin', 'chattr'));
  for (const program of [process.execPath, found.chattr]) {
    const { stdout } = await run('ldd', [program]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) {
      mkdirSync(join(folder, dirname(library)), { recursive: true });
      copyFileSync(library, join(folder, library));
    }
  }
  const npm = ['protobuf', 'protovalidate', 'cel', 'cel-spec', 're2'].map(
    (name) => `node_modules/@bufbuild/${name}`,
  );
  for (const part of [
    'package.json',
    'agent/package.json',
    'agent/src',
    'gen/ts',
    'node_modules/@iotdh/proto',
    ...npm,
  ]) {
    cpSync(join(repository, part), join(folder, 'repo', part), { recursive: true, verbatimSymlinks: true });
  }
}

async function buildEsp(
  image: string,
  { folder, found, initrd }: { folder: string; found: Found; initrd: string },
): Promise<void> {
  writeFileSync(image, '');
  truncateSync(image, 96 * mebibyte);
  await run('mkfs.vfat', ['-F', '32', image]);
  const entry = [
    'title System a',
    'sort-key iotdh',
    `linux ${entries.a.linux}`,
    `initrd ${entries.a.initrd[0]}`,
    `options ${entries.a.options} iotdh.slot=a`,
  ];
  writeFileSync(join(folder, 'entry'), `${entry.join('\n')}\n`);
  writeFileSync(join(folder, 'loader.conf'), 'timeout 0\ndefault iotdh-*\n');
  const folders = ['EFI', 'EFI/BOOT', 'loader', 'loader/entries', 'iotdh', 'iotdh/a', 'iotdh/b'];
  await run('mmd', ['-i', image, ...folders.map((name) => `::${name}`)]);
  const files: [from: string, to: string][] = [
    [found.systemdBoot, 'EFI/BOOT/BOOTX64.EFI'],
    [join(folder, 'loader.conf'), 'loader/loader.conf'],
    [join(folder, 'entry'), 'loader/entries/iotdh-a.conf'],
    [found.kernel, 'iotdh/a/linux'],
    [initrd, 'iotdh/a/initrd'],
  ];
  for (const [from, to] of files) await run('mcopy', ['-i', image, from, `::${to}`]);
}
