/** The landmarks of a content, by which files that were renamed, moved or packed together are found. */
import { createLandmarkScanner } from '@iotdh/delta';

/** More of one content tell nothing more. */
const maxLandmarks = 65_536;

/** The landmarks of bytes that come piece by piece, each once; one in 2^`rarityBits` bytes on average. */
export async function landmarksOf(
  pieces: AsyncIterable<Uint8Array>,
  rarityBits: number,
): Promise<Set<number>> {
  const landmarks = new Set<number>();
  const scanner = createLandmarkScanner(rarityBits);
  for await (const piece of pieces) {
    scanner.scan(piece, (landmark) => landmarks.add(landmark));
    if (landmarks.size >= maxLandmarks) break;
  }
  return landmarks;
}
