/** Which frames a request names, the first ones first, and no more than its window. */
import type { FrameRequest } from '@iotdh/proto/bus/v1';

/** Numbers of frames, at most `request.window` of them, each once. */
export function frameNumbers({ missing, window }: Pick<FrameRequest, 'missing' | 'window'>): number[] {
  const wanted = new Set<number>();
  if (missing.case === 'ranges') {
    for (const { first, count } of missing.value.ranges) {
      for (let frame = Number(first); frame < Number(first) + count; frame += 1) {
        if (wanted.size >= window) return [...wanted];
        wanted.add(frame);
      }
    }
  } else if (missing.case === 'bitmap') {
    const { first, bits } = missing.value;
    for (let bit = 0; bit < bits.length * 8 && wanted.size < window; bit += 1) {
      if (((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) wanted.add(Number(first) + bit);
    }
  }
  return [...wanted];
}
