/** Brings a file that is carried as it is and verified as one into the store: the manifest itself, a list. */
import { rm } from 'node:fs/promises';
import { Codec } from '@iotdh/proto/update/v1';
import { decodeWhole } from '../decode/decode-whole.ts';
import type { Failure, Pause } from '../outcome.ts';
import type { Carrying, Item } from './carry.ts';
import type { Disk } from './disk.ts';
import type { ProgressCount } from './progress.ts';

export type Bringing = { carrying: Carrying; progress: ProgressCount; disk: Disk };

export async function bringPlain(
  digest: Uint8Array,
  size: number,
  { carrying, disk }: Pick<Bringing, 'carrying' | 'disk'>,
): Promise<{ kind: 'here' } | Pause | Failure> {
  const { store, signal } = disk;
  const name = Buffer.from(digest).toString('hex');
  if (!store.has(name)) {
    const item: Item = { digest, size, segmentSize: size, segmentDigests: [digest], isFile: true };
    const carried = await carrying.carry(item, disk);
    if (carried.kind !== 'carried') return carried;
    const { path } = carried;
    await decodeWhole({ path, contents: [{ digest: name, size }], store, signal, codec: Codec.NONE });
    await letGo(disk, name, path);
  }
  return { kind: 'here' };
}

/** Forgets an object and its spool. */
export async function letGo({ journal }: Pick<Disk, 'journal'>, name: string, path: string): Promise<void> {
  journal.forget(name);
  await rm(path, { force: true });
}
