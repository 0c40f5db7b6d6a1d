/** A whole transfer by a device that asks again for what did not come, as an agent does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AssignmentDocument } from '../../../shared/database/collections.ts';
import { type Device, framesIn } from './device.ts';
import type { TestPack } from './pack.ts';

/** Of the assignments that tests make. */
export const frameSize = 4_096;

/** Asks for an object window by window, and again after `patienceMs`; answers its bytes. */
export async function pull(
  device: Device,
  { transferId }: AssignmentDocument,
  object: string,
  size: number,
  patienceMs = 3_000,
) {
  const count = Math.ceil(size / frameSize);
  for (let first = 0; first < count; first += 32) {
    const window = Math.min(32, count - first);
    const wanted = Array.from({ length: window }, (_, index) => (first + index) * frameSize);
    let here = false;
    while (!here) {
      await device.ask({
        transferId,
        object,
        frameSize,
        first,
        count: window,
        receivedBytes: first * frameSize,
      });
      const patience = AbortSignal.timeout(patienceMs);
      const arrived = device.until((all) => wanted.every((offset) => framesIn(all, object).has(offset)));
      here = await Promise.race([arrived.then(() => true), once(patience, 'abort').then(() => false)]);
    }
  }
  const frames = framesIn(device.received, object);
  const offsets = Array.from({ length: count }, (_, index) => index * frameSize);
  return Buffer.concat(offsets.map((offset) => frames.get(offset)?.data ?? Buffer.alloc(0)));
}

/** Every object of the pack, which must be the bytes that were stored. */
export async function pullAll(
  device: Device,
  assignment: AssignmentDocument,
  pack: TestPack,
  patienceMs = 3_000,
): Promise<void> {
  for (const [digest, bytes] of pack.objects) {
    const came = await pull(device, assignment, digest, bytes.length, patienceMs);
    assert.ok(came.equals(bytes), `object ${digest} of ${bytes.length} bytes came as other bytes`);
  }
}
