/** What a transfer has on disk and will never ask for again, for tests. */
import { join } from 'node:path';
import { createBitSet } from '../bit-set.ts';
import { frameCount, segmentCount, segmentsOfFrame } from '../layout.ts';
import { openSegmentJournal } from '../segment-journal.ts';

/** The frames of each object whose every byte was recorded as verified: they count. Nobody else may have the folder open. */
export function countedFrames(folder: string, frameSize: number): Map<string, Set<number>> {
  const journal = openSegmentJournal(join(folder, 'segments.db'));
  const counted = new Map<string, Set<number>>();
  for (const object of journal.objects()) {
    const { segmentSize, size, verified } = journal.read(object)!;
    const layout = { frameSize, segmentSize, size };
    const segments = createBitSet(segmentCount(layout), verified);
    const frames = new Set<number>();
    for (let frame = 0; frame < frameCount(layout); frame += 1) {
      const { first, count } = segmentsOfFrame(layout, frame);
      if (Array.from({ length: count }, (_, n) => segments.has(first + n)).every(Boolean)) frames.add(frame);
    }
    counted.set(object, frames);
  }
  journal.close();
  return counted;
}
