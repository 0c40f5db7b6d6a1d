/** The programs and files of Debian that a rehearsal needs, and which packages have them. */
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Found = {
  qemu: string;
  systemdBoot: string;
  firmware: string;
  variables: string;
  busybox: string;
  kernel: string;
  modules: string;
  chattr: string;
};

export type Packages = { kind: 'found'; found: Found } | { kind: 'missing'; packages: string[] };

/** What is looked for, with its package: a program, or files under the root. */
const programs: readonly [program: string, packageName: string][] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['sfdisk', 'fdisk'],
  ['mkfs.vfat', 'dosfstools'],
  ['mcopy', 'mtools'],
  ['mke2fs', 'e2fsprogs'],
  ['chattr', 'e2fsprogs'],
];

/** `root`: where packages were unpacked (`dpkg -x`) that are not installed; '/' otherwise. `path`: the variable PATH. */
export function findPackages(root: string, path: string): Packages {
  const missing = new Set<string>();
  const program = (name: string) =>
    [...path.split(delimiter), '/usr/sbin', '/sbin']
      .map((folder) => join(folder, name))
      .find((file) => existsSync(file));
  for (const [name, packageName] of programs) if (program(name) === undefined) missing.add(packageName);
  const file = (pattern: string, packageName: string): string => {
    const found = [...new Set([root, '/'])].flatMap((top) => globSync(join(top, pattern)).sort()).at(0);
    if (found === undefined) missing.add(packageName);
    return found ?? '';
  };
  const found = {
    qemu: program('qemu-system-x86_64') ?? '',
    chattr: program('chattr') ?? '',
    systemdBoot: file('usr/lib/systemd/boot/efi/systemd-bootx64.efi', 'systemd-boot-efi'),
    firmware: file('usr/share/OVMF/OVMF_CODE_4M.fd', 'ovmf'),
    variables: file('usr/share/OVMF/OVMF_VARS_4M.fd', 'ovmf'),
    busybox: file('bin/busybox', 'busybox-static'),
    kernel: file('boot/vmlinuz-*-cloud-amd64', 'linux-image-cloud-amd64'),
    modules: file('lib/modules/*-cloud-amd64', 'linux-image-cloud-amd64'),
  };
  return missing.size === 0 ? { kind: 'found', found } : { kind: 'missing', packages: [...missing] };
}
