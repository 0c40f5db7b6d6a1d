/** Bodies of messages that are read from Blob Storage by the unmodified @azure/storage-blob, one block ahead of what is sent. */
import { randomBytes } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';

/** About as much as the firmware updater reads at once. */
const blockBytes = 2 * 1024 * 1024;

/** Stores `count` bodies of `bytes` as one blob, and answers what reads them again by their number, in order. */
export async function storedBodies(options: {
  storage: string;
  bytes: number;
  count: number;
}): Promise<(index: number) => Promise<Buffer>> {
  const { storage, bytes, count } = options;
  const container = new ContainerClient(storage, 'bodies');
  await container.createIfNotExists();
  const blob = container.getBlockBlobClient('bodies');
  await blob.uploadData(randomBytes(count * bytes), { blockSize: blockBytes });
  const perBlock = Math.max(1, Math.floor(blockBytes / bytes));
  const blocks = new Map<number, Promise<Buffer>>();

  function block(index: number): Promise<Buffer> {
    const first = index * perBlock;
    const known = blocks.get(index);
    if (known !== undefined) return known;
    const reading = blob.downloadToBuffer(first * bytes, Math.min(perBlock, count - first) * bytes);
    blocks.set(index, reading);
    blocks.delete(index - 3);
    return reading;
  }

  return async (index) => {
    const at = Math.floor(index / perBlock);
    const [reading, start] = [block(at), (index % perBlock) * bytes];
    if ((at + 1) * perBlock < count) void block(at + 1);
    return (await reading).subarray(start, start + bytes);
  };
}
