/** Which image was written to which partition of which slot: a record that outlives the agent and the system that runs. */
import { openDocument } from '../durable/document.ts';
import { type SlotName, slotNames } from './boot-environment.ts';

/** SHA-256 in lower-case hex, and bytes. */
export type WrittenImage = { digest: string; size: number };

export type ImageRecord = {
  /** Null: nothing that was read back. */
  of(slot: SlotName, partition: string): WrittenImage | null;
  /** Durable when it returns. */
  put(slot: SlotName, partition: string, image: WrittenImage | null): void;
};

type Images = Partial<Record<SlotName, Record<string, WrittenImage>>>;

/** The file must be on a partition that no base replaces. One that cannot be read begins anew: it only saves bytes. */
export function openImageRecord(path: string): ImageRecord {
  const document = openDocument<Images>({ path, read: readImages, initial: {} });
  return {
    of: (slot, partition) => document.value[slot]?.[partition] ?? null,
    put(slot, partition, image) {
      const { [partition]: _, ...others } = document.value[slot] ?? {};
      const images = image === null ? others : { ...others, [partition]: image };
      document.write({ ...document.value, [slot]: images });
    },
  };
}

function readImages(parsed: unknown): Images | null {
  if (typeof parsed !== 'object' || parsed === null) return null;
  const images: Images = {};
  for (const slot of slotNames) {
    const held = Object.entries((parsed as Images)[slot] ?? {});
    if (!held.every(([, image]) => isWritten(image))) return null;
    images[slot] = Object.fromEntries(held);
  }
  return images;
}

function isWritten(value: unknown): value is WrittenImage {
  const { digest, size } = (value ?? {}) as Partial<WrittenImage>;
  return /^[0-9a-f]{64}$/.test(digest ?? '') && Number.isSafeInteger(size) && (size ?? 0) > 0;
}
