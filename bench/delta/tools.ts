/** What makes deltas: ours, and what Debian has. Each works on the two releases of a pair, in a folder of its own. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Tool = {
  name: string;
  /** The program that must be installed, and the package that has it. */
  program: string;
  packageName: string;
  /** Shell, with $OLD and $NEW (files), $OLD_TREE and $NEW_TREE (folders), $APPLIER (ours). Runs before the measurement. */
  prepare?: string;
  encode: string;
  /** Makes `decoded`, unless `verify` says otherwise. */
  apply: string;
  /** Bytes that a device must be sent. */
  bytes(folder: string, newPath: string): Promise<number>;
  /** Shell that fails when what was applied is not right. Default: `decoded` is compared with the new file. */
  verify?: string;
};

const run = promisify(execFile);
const sizeOf = (name: string) => async (folder: string) => (await stat(join(folder, name))).size;
const node = process.execPath;
const producer = join(import.meta.dirname, 'produce-process.ts');

const ours = (codec: 'zstd' | 'brotli'): Tool => ({
  name: `ours, ${codec}`,
  program: node,
  packageName: '',
  encode: `exec ${node} ${producer} "$OLD" "$NEW" delta ${codec}`,
  apply: 'exec "$APPLIER" "$OLD" delta decoded',
  bytes: sizeOf('delta'),
});

export const ourTools: readonly Tool[] = [ours('zstd'), ours('brotli')];

export const peerTools: readonly Tool[] = [
  {
    name: 'bsdiff',
    program: 'bsdiff',
    packageName: 'bsdiff',
    encode: 'exec bsdiff "$OLD" "$NEW" delta',
    apply: 'exec bspatch "$OLD" decoded delta',
    bytes: sizeOf('delta'),
  },
  {
    name: 'zstd -19 --patch-from',
    program: 'zstd',
    packageName: 'zstd',
    encode: 'exec zstd -q -f -19 -T1 --long=31 --patch-from="$OLD" "$NEW" -o delta',
    apply: 'exec zstd -q -f -d --long=31 --patch-from="$OLD" delta -o decoded',
    bytes: sizeOf('delta'),
  },
  {
    name: 'casync 64K',
    program: 'casync',
    packageName: 'casync',
    prepare: 'casync make --store=old.castr --chunk-size=16384:65536:262144 old.caibx "$OLD"',
    encode: 'exec casync make --store=new.castr --chunk-size=16384:65536:262144 new.caibx "$NEW"',
    apply: 'exec casync extract --store=new.castr --seed="$OLD" new.caibx decoded',
    async bytes(folder) {
      const chunksOf = async (store: string) =>
        (await readdir(join(folder, store), { recursive: true })).filter((name) => name.endsWith('.cacnk'));
      const have = new Set(await chunksOf('old.castr'));
      let sum = (await stat(join(folder, 'new.caibx'))).size;
      for (const name of await chunksOf('new.castr')) {
        if (!have.has(name)) sum += (await stat(join(folder, 'new.castr', name))).size;
      }
      return sum;
    },
  },
  {
    name: 'xdelta3 -9 -S lzma',
    program: 'xdelta3',
    packageName: 'xdelta3',
    encode: 'exec xdelta3 -q -e -9 -B 1073741824 -S lzma -f -s "$OLD" "$NEW" delta',
    apply: 'exec xdelta3 -q -d -B 1073741824 -f -s "$OLD" delta decoded',
    bytes: sizeOf('delta'),
  },
  {
    name: 'OSTree static-delta',
    program: 'ostree',
    packageName: 'ostree',
    prepare: `ostree init --repo=one --mode=bare-user-only && ostree init --repo=two --mode=bare-user-only &&
      ostree --repo=one commit -b old "$OLD_TREE" && ostree --repo=two pull-local one old &&
      ostree --repo=one commit -b new "$NEW_TREE"`,
    encode: `exec ostree --repo=one static-delta generate --from="$(ostree --repo=one rev-parse old)" \
      --to="$(ostree --repo=one rev-parse new)" --max-chunk-size=0 --inline --min-fallback-size=0 \
      --max-bsdiff-size=512 --filename=delta`,
    apply: 'exec ostree --repo=two static-delta apply-offline delta',
    verify:
      'ostree --repo=two fsck --quiet "$(ostree --repo=one rev-parse new)" || ostree --repo=two fsck --quiet',
    bytes: sizeOf('delta'),
  },
  {
    name: 'rdiff, zstd -19',
    program: 'rdiff',
    packageName: 'rdiff',
    encode: 'rdiff signature "$OLD" sig && rdiff delta sig "$NEW" plain && zstd -q -f -19 plain -o delta',
    apply: 'zstd -q -f -d delta -o plain2 && rdiff patch "$OLD" plain2 decoded',
    bytes: sizeOf('delta'),
  },
  {
    name: 'zchunk',
    program: 'zck_delta_size',
    packageName: 'zchunk',
    prepare: 'zck -o old.zck "$OLD"',
    encode: 'exec zck -o new.zck "$NEW"',
    apply: 'exec unzck -c new.zck > decoded',
    async bytes(folder) {
      const { stdout } = await run('zck_delta_size', ['old.zck', 'new.zck'], { cwd: folder });
      return Number(/download (\d+)/.exec(stdout)?.[1]);
    },
  },
];

/** SHA-256 in hex. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}
