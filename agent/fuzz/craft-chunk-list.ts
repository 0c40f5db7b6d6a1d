/** Lists of chunks whose sums are right and whose parts are not: what is damaged blindly is refused for its sums. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ChunkListSchema } from '@iotdh/proto/update/v1';
import type { Random } from '../../delta/fuzz/random.ts';

export function craftChunkList(random: Random, valid: Buffer): Buffer {
  const list = fromBinary(ChunkListSchema, valid);
  for (let times = 1 + random.below(3); times > 0; times -= 1) {
    const numbers = random.pick([list.sizes, list.groupChunks, list.groupSizes]);
    const [from, to] = [random.below(numbers.length), random.below(numbers.length)];
    const moved = random.below(numbers[from]! + 1);
    numbers[from]! -= moved;
    numbers[to]! += moved;
  }
  return Buffer.from(toBinary(ChunkListSchema, list));
}
