/** Partitions that hold images as they were brought: what is written to them is recorded, and what they hold can be read again. */
import type { SlotName } from './boot-environment.ts';
import type { SlotPartitions } from './create-slots.ts';
import type { ImageRecord } from './image-record.ts';
import type { HeldImage } from './slots.ts';

/** Where a partition is in a slot. `bytes`: how much there is to read, 0 when there is nothing; throws when it cannot be told. */
export type ImagePlace = { slot: SlotName; partition: string; path: string; bytes: () => number };

export type RecordedOptions = {
  partitions: SlotPartitions;
  record: ImageRecord;
  places: readonly ImagePlace[];
};

export function createRecordedPartitions(options: RecordedOptions): SlotPartitions {
  const { partitions, record, places } = options;
  return {
    bytes: (partition) => partitions.bytes(partition),
    async write(slot, partition, image, order) {
      // However the writing ends, what was there is gone.
      if (record.of(slot, partition) !== null) record.put(slot, partition, null);
      const end = await partitions.write(slot, partition, image, order);
      if (end.kind === 'written') record.put(slot, partition, { digest: image.digest, size: end.bytes });
      return end;
    },
    async images() {
      const held: HeldImage[] = [];
      for (const { slot, partition, path, bytes: bytesNow } of places) {
        const bytes = bytesOr0(bytesNow);
        if (bytes > 0) held.push({ partition, path, bytes, image: record.of(slot, partition) });
      }
      return held;
    },
  };
}

/** A device that is gone since the start, or may not be looked at, has nothing to read. */
function bytesOr0(bytes: () => number): number {
  try {
    return bytes();
  } catch {
    return 0;
  }
}
