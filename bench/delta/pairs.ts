/** Two releases of real software, fetched from the registries and kept in `.iotdh/bench-delta`. */
import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Pair = {
  name: string;
  title: string;
  /** Shell that fills the current folder, given the version. */
  fetch: string;
  versions: [old: string, next: string];
  /** Only when large pairs are asked for. */
  large?: boolean;
};

/** The tree and the same as a tar without times and owners. */
export type Release = { tree: string; tar: string };

const run = promisify(execFile);

const debian = (...packages: string[]) =>
  `for p in ${packages.join(' ')}; do apt-get download -qq "$p=$VERSION"; done
   for f in *.deb; do dpkg-deb -x "$f" . && rm "$f"; done`;

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
    versions: ['6.1.0-47', '6.1.0-50'],
    large: true,
  },
  {
    name: 'chromium',
    title: 'chromium 150 to 156, a major release',
    fetch: debian('chromium'),
    versions: ['150.0.7871.100-1~deb12u1', '156.0.8078.108-1~deb12u1'],
    large: true,
  },
];

/** Fetches what is not there yet. Throws when a registry no longer has it. */
export async function prepare(pair: Pair, folder: string): Promise<[Release, Release]> {
  const releases = [];
  for (const version of pair.versions) {
    const at = join(folder, `${releases.length}`);
    const [tree, tar] = [join(at, 'tree'), join(at, 'tar')];
    const isThere = await access(tar).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      await rm(at, { recursive: true, force: true });
      await mkdir(tree, { recursive: true });
      const env = { ...process.env, VERSION: version };
      await run('bash', ['-e', '-c', pair.fetch], { cwd: tree, env, maxBuffer: 16 * 2 ** 20 });
      const stable = [
        '--sort=name',
        '--mtime=@0',
        '--owner=0',
        '--group=0',
        '--numeric-owner',
        '--format=gnu',
      ];
      await run('tar', [...stable, '-cf', `${tar}.part`, '-C', tree, '.']);
      await rename(`${tar}.part`, tar);
    }
    releases.push({ tree, tar });
  }
  return releases as [Release, Release];
}
