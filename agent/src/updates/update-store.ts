/** The updates on this disk, one folder each: the record, and a folder for what the transfer of each half brings. */
import { readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonValue } from '@bufbuild/protobuf';
import { makePrivateFolder, openDocument, syncFolder, writeDurably } from '../durable/document.ts';
import type { Target } from '../machine/update.ts';
import { type Half, readRecord, recordToJson, type UpdateRecord } from './record.ts';

export type UpdateStore = {
  get(updateId: string): UpdateRecord | null;
  all(): UpdateRecord[];
  /** Durable when it returns. Throws when the disk does not let us, and nothing has changed then. */
  put(record: UpdateRecord): void;
  /** Changes one half of a record that is here. */
  change(updateId: string, target: Target, changes: Partial<Half>): void;
  /** Holds what the transfer of this half brings. */
  folderOf(updateId: string, target: Target): string;
  /** The folders of the contents that any half on this disk has. */
  contentFolders(): string[];
  /** The record and all that was brought. Durable when it resolves; remembers the trace for what is still to be told. */
  remove(updateId: string): Promise<void>;
  /** Removes what was offered and never begun, unless somebody still names it. */
  sweep(isNamed: (updateId: string) => boolean): Promise<void>;
  /** The trace that an update belongs to, also shortly after its end; empty: none. */
  traceOf(updateId: string): string;
  /** Bytes that this agent may still write on the disk of the updates. */
  freeBytes(): number;
};

/** So many updates that have ended are remembered by their trace. */
const maxEnded = 16;
type Ended = { updateId: string; traceParent: string }[];

/** Opens the folder, making it if it is absent. What cannot be read is left aside for `onDamaged` to tell. */
export function openUpdates(folder: string, onDamaged: (path: string) => void): UpdateStore {
  makePrivateFolder(folder);
  const removing = join(folder, 'removing');
  rmSync(removing, { recursive: true, force: true });
  const records = new Map<string, UpdateRecord>();
  const pathOf = (updateId: string) => join(folder, updateId, 'update.json');
  const ended = openDocument<Ended>({
    path: join(folder, 'ended.json'),
    read: (parsed) => (Array.isArray(parsed) ? (parsed as Ended) : null),
    initial: [],
    onDamaged,
  });
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { value } = openDocument<UpdateRecord | null>({
      path: pathOf(entry.name),
      read: readRecord,
      initial: null,
      onDamaged,
    });
    if (value !== null && value.offer.assignmentId === entry.name) records.set(entry.name, value);
    else rmSync(join(folder, entry.name), { recursive: true, force: true });
  }

  function put(record: UpdateRecord): void {
    const { assignmentId } = record.offer;
    makePrivateFolder(join(folder, assignmentId));
    writeDurably(pathOf(assignmentId), `${JSON.stringify(recordToJson(record) satisfies JsonValue)}\n`);
    if (!records.has(assignmentId)) syncFolder(folder);
    records.set(assignmentId, record);
  }

  async function remove(updateId: string): Promise<void> {
    const record = records.get(updateId);
    if (record !== undefined) {
      const others = ended.value.filter((entry) => entry.updateId !== updateId);
      ended.write([...others, { updateId, traceParent: record.traceParent }].slice(-maxEnded));
      // Gone by one rename, however long the deleting takes.
      makePrivateFolder(removing);
      renameSync(join(folder, updateId), join(removing, updateId));
      records.delete(updateId);
      syncFolder(folder);
    }
    await rm(removing, { recursive: true, force: true });
  }

  return {
    get: (updateId) => records.get(updateId) ?? null,
    all: () => [...records.values()],
    put,
    change(updateId, target, changes) {
      const record = records.get(updateId);
      if (record === undefined) throw new Error(`update ${updateId} is not on this disk`);
      put({ ...record, [target]: { ...record[target], ...changes } });
    },
    folderOf: (updateId, target) => join(folder, updateId, target),
    contentFolders: () =>
      [...records.keys()].flatMap((updateId) => [
        join(folder, updateId, 'patch', 'contents'),
        join(folder, updateId, 'base', 'contents'),
      ]),
    remove,
    async sweep(isNamed) {
      for (const [updateId, { patch, base }] of records) {
        if (!patch.begun && !base.begun && !isNamed(updateId)) await remove(updateId);
      }
    },
    traceOf: (updateId) =>
      records.get(updateId)?.traceParent ??
      ended.value.find((entry) => entry.updateId === updateId)?.traceParent ??
      '',
    freeBytes() {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
  };
}
