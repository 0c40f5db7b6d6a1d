/** Slots of an environment store and of places to write images to: the same for every boot loader. */
import {
  allWritten,
  arm,
  beginWriting,
  condemn,
  otherSlot,
  partitionWritten,
  prove,
  type SlotName,
} from './boot-environment.ts';
import type { EnvironmentStore } from './environment-store.ts';
import type { OnFailPoint } from './fail-point.ts';
import type { HeldImage, Image, ImageEnd, Slots } from './slots.ts';

/** The machine's partitions, in either slot. */
export type SlotPartitions = {
  /** How large it is, in the slot where it is smaller; null: the agent's configuration does not name it. */
  bytes(partition: string): Promise<number | null>;
  /** Writes and reads back, whatever was there; durable when it resolves. */
  write(
    slot: SlotName,
    partition: string,
    image: Image,
    order: { signal: AbortSignal; onPiece: () => void; onFlushed: () => void },
  ): Promise<ImageEnd>;
  /** What they hold now. Absent: not the images that were brought, but what was made of them. */
  images?(): Promise<HeldImage[]>;
};

export type SlotsOptions = { store: EnvironmentStore; partitions: SlotPartitions; onFailPoint?: OnFailPoint };

const unfit = (reason: string): ImageEnd => ({ kind: 'unfit', reason });

export function createSlots({ store, partitions, onFailPoint }: SlotsOptions): Slots {
  async function write(
    ...[content, partition, image, signal]: Parameters<Slots['write']>
  ): Promise<ImageEnd> {
    const bytes = await partitions.bytes(partition);
    if (bytes === null) return unfit(`there is no partition ${partition}`);
    if (bytes < image.minPartitionBytes) {
      return unfit(`${partition} has ${bytes} bytes, ${image.minPartitionBytes} are needed`);
    }
    const { booted, environment } = await store.inspect();
    const { good, spare } = environment;
    if (spare.kind === 'void' || spare.content !== content || booted !== good) {
      return unfit('the other slot was not made ready for this content');
    }
    if (spare.kind === 'whole' || spare.partitions.includes(partition)) return { kind: 'written', bytes: 0 };
    const end = await partitions.write(otherSlot(good), partition, image, {
      signal,
      onPiece: () => onFailPoint?.('piece_written', partition),
      onFlushed: () => onFailPoint?.('image_flushed', partition),
    });
    if (end.kind !== 'written') return end;
    onFailPoint?.('image_verified', partition);
    const refused = await store.change((now) => partitionWritten(now, content, partition));
    if (refused !== null) return unfit(refused.reason);
    onFailPoint?.('partition_recorded', partition);
    return end;
  }

  return {
    write,
    inspect: () => store.inspect(),
    partitionBytes: (partition) => partitions.bytes(partition),
    images: async () => (await partitions.images?.()) ?? [],
    begin: (content) => store.change((now, { booted }) => beginWriting(now, booted, content)),
    finish: (content, names) => store.change((now) => allWritten(now, content, names)),
    arm: (trial) => store.change((now) => arm(now, trial)),
    markGood: () => store.change((now, { booted }) => prove(now, booted)),
    condemn: () => store.change(condemn),
  };
}
