/** What the disk holds of service packs, for the state machine's `sdk_cmdready`. */
import type { Snapshot } from '../machine/snapshot.ts';
import type { Disk, Held } from '../machine/update.ts';
import { packOf } from './record.ts';
import type { UpdateStore } from './update-store.ts';

/** A half counts once its transfer has begun, or when it is what the host application's `busy` interrupted. */
export function survey(updates: UpdateStore, snapshot: Snapshot): Disk {
  const interrupted = snapshot.state === 'BUSY' ? snapshot.interrupted : null;
  const disk: Disk = { patch: null, base: null };
  for (const record of updates.all()) {
    const pack = packOf(record);
    const mine = interrupted?.updateId === pack.updateId ? interrupted.target : null;
    const ending = record.patch.end?.ending;
    const failed =
      ending === 'taken_back' || ending === 'failed' || snapshot.memory.failedPatch === pack.updateId;
    const base = record.base.begun || mine === 'base' || failed;
    const held = (complete: boolean): Held => ({ pack, complete });
    if (base) disk.base = held(record.base.complete);
    else if (record.patch.begun || mine === 'patch') disk.patch = held(record.patch.complete);
  }
  return disk;
}
