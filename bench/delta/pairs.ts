/** Two releases of real software, fetched from the registries and kept in `.iotdh/bench-delta`. */
import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Pair = {
  name: string;
  title: string;
  /** What a reader of its figures should know. */
  note?: string;
  /** Shell that fills the current folder, given $VERSION. */
  fetch: string;
  /** Shell that makes one file, $FILE, of $TREE. Default: a tar without times and owners. */
  pack?: string;
  versions: [old: string, next: string];
  /** Only when large pairs are asked for. */
  large?: boolean;
};

/** The tree, and one file with all that is in it. */
export type Release = { tree: string; file: string };

const run = promisify(execFile);

const unpack = 'for f in *.deb; do dpkg-deb -x "$f" .; rm "$f"; done';
const debian = (...packages: string[]) =>
  `for p in ${packages.join(' ')}; do apt-get download -qq "$p=$VERSION"; done; ${unpack}`;

const tar = `tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu -cf "$FILE" -C "$TREE" .`;

/** The same bytes each time. mkfs.ext4 takes the times of change and access from the tree, where they cannot be set. */
const ext4 = `export E2FSPROGS_FAKE_TIME=1
  find "$TREE" -exec touch -h -d @0 {} +
  mkfs.ext4 -q -d "$TREE" -m 0 -O ^has_journal -U 3b4bba34-6ad4-4e2c-a0ab-04aa5d3ac1c5 \
    -E hash_seed=8b8a4cc4-5f3c-4c0c-8f32-3b5c1a1ad8bd "$FILE" 1100M
  find "$TREE" -printf 'sif "/%P" ctime @0\nsif "/%P" atime @0\n' | debugfs -w -f /dev/stdin "$FILE"`;

/** A line for each package: NAME=VERSION. */
const packagesOf = (release: string) => join(import.meta.dirname, 'image', `${release}.txt`);

export const pairs: readonly Pair[] = [
  {
    name: 'node18',
    title: 'libnode108 18.20.4, deb12u2 to u3',
    fetch: debian('libnode108'),
    versions: ['18.20.4+dfsg-1~deb12u2', '18.20.4+dfsg-1~deb12u3'],
  },
  {
    name: 'web',
    title: 'npm: next 16.4.5 to .6, typescript 5.9.2 to .3, esbuild 0.28.1 to .2',
    fetch: `for p in $VERSION; do npm pack --silent "$p" > packed
      f=$(cat packed); n=\${p%@*}; mkdir -p "$n"; tar -xzf "$f" -C "$n" --strip-components=1; rm "$f" packed; done`,
    versions: [
      'next@16.4.5 @next/swc-linux-x64-gnu@16.4.5 typescript@5.9.2 esbuild@0.28.1 @esbuild/linux-x64@0.28.1',
      'next@16.4.6 @next/swc-linux-x64-gnu@16.4.6 typescript@5.9.3 esbuild@0.28.2 @esbuild/linux-x64@0.28.2',
    ],
  },
  {
    name: 'jdk',
    title: 'openjdk-17-jre-headless 17.0.19 to 17.0.21.1',
    fetch: debian('openjdk-17-jre-headless'),
    versions: ['17.0.19+10-1~deb12u2', '17.0.21.1+2-1~deb12u1'],
  },
  {
    name: 'lo',
    title: 'libreoffice core, common, calc, writer 7.4.7, deb12u13 to u14',
    fetch: debian('libreoffice-core', 'libreoffice-common', 'libreoffice-calc', 'libreoffice-writer'),
    versions: ['4:7.4.7-1+deb12u13', '4:7.4.7-1+deb12u14'],
  },
  {
    name: 'linux',
    title: 'linux-image 6.1.170 to 6.1.176, its paths made the same',
    fetch: `apt-get download -qq "linux-image-$VERSION-amd64"; dpkg-deb -x *.deb . && rm *.deb
      mv lib/modules/* lib/modules/kernel; for f in boot/*; do mv "$f" "\${f%%-*}"; done
      mv usr/share/doc/linux-image-* usr/share/doc/linux-image; rm -rf usr/share/bug usr/share/lintian`,
    note: 'Of what is to send, 8.1 MB are the kernel and 1.1 MB a changelog, both compressed, and 2.1 MB signatures of modules: no tool finds those in the base, and they alone are 0.43 of zstd’s (counted by hand on 2026-11-30).',
    versions: ['6.1.0-47', '6.1.0-50'],
    large: true,
  },
  {
    name: 'chromium',
    title: 'chromium 150 to 156, a major release',
    fetch: debian('chromium'),
    versions: ['150.0.7871.100-1~deb12u1', '156.0.8078.114-1~deb12u1'],
    large: true,
  },
  {
    name: 'image',
    title:
      'ext4 images of Debian 12 with systemd, a kernel, Java, PostgreSQL: as released, and with all updates',
    fetch: `apt-get download -qq $(cat "$VERSION"); ${unpack}`,
    pack: ext4,
    versions: [packagesOf('old'), packagesOf('new')],
    large: true,
  },
];

/** Fetches what is not there yet. Throws when a registry no longer has it. */
export async function prepare(
  { fetch, pack = tar, versions }: Pair,
  folder: string,
): Promise<[Release, Release]> {
  const releases = [];
  for (const version of versions) {
    const at = join(folder, `${releases.length}`);
    const [tree, file] = [join(at, 'tree'), join(at, 'file')];
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      await rm(at, { recursive: true, force: true });
      await mkdir(tree, { recursive: true });
      const env = { ...process.env, VERSION: version, TREE: tree, FILE: `${file}.part` };
      for (const script of [fetch, pack]) {
        await run('bash', ['-e', '-c', script], { cwd: tree, env, maxBuffer: 16 * 2 ** 20 });
      }
      await rename(`${file}.part`, file);
    }
    releases.push({ tree, file });
  }
  return releases as [Release, Release];
}
