/**
 * Chunks by their digests, and where each was found on this machine. In typed arrays, about 50 bytes for each: a JavaScript object for
 * each would take several times as much.
 */

export type ChunkTable = {
  /** How many chunks there are, and how many of them were not found or are lost again. */
  readonly count: number;
  readonly lacking: number;
  /** Its number; a digest has one however often it is added. */
  add(digest: Uint8Array): number;
  /** -1: there is none of this digest. */
  indexOf(digest: Uint8Array): number;
  /** The number of the file that a chunk is in, and its first byte there; null: it was not found. */
  placeOf(chunk: number): { file: number; position: number } | null;
  isFound(chunk: number): boolean;
  found(chunk: number, file: number, position: number): void;
  lose(chunk: number): void;
  /** Every chunk of a file is lost. */
  loseFile(file: number): void;
};

const digestBytes = 32;
const leastRoom = 1024;

export function createChunkTable(): ChunkTable {
  let room = leastRoom;
  let digests = Buffer.alloc(room * digestBytes);
  let files = new Int32Array(room).fill(-1);
  let positions = new Float64Array(room);
  /** Open addressing by the digests' own first bytes, at most half full. */
  let slots = new Int32Array(room * 2).fill(-1);
  let count = 0;
  let lacking = 0;

  function slotOf(bytes: Uint8Array, at: number): number {
    const first = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    let slot = first & (slots.length - 1);
    for (; slots[slot] !== -1; slot = (slot + 1) & (slots.length - 1)) {
      const known = slots[slot]! * digestBytes;
      if (digests.compare(bytes, at, at + digestBytes, known, known + digestBytes) === 0) break;
    }
    return slot;
  }

  function grow(): void {
    const old = { digests, files, positions };
    room *= 2;
    digests = Buffer.alloc(room * digestBytes);
    files = new Int32Array(room).fill(-1);
    positions = new Float64Array(room);
    old.digests.copy(digests);
    files.set(old.files);
    positions.set(old.positions);
    slots = new Int32Array(room * 2).fill(-1);
    for (let chunk = 0; chunk < count; chunk += 1) slots[slotOf(digests, chunk * digestBytes)] = chunk;
  }

  function lose(chunk: number): void {
    if (files[chunk] === -1) return;
    files[chunk] = -1;
    lacking += 1;
  }

  return {
    get count() {
      return count;
    },
    get lacking() {
      return lacking;
    },
    add(digest) {
      if (count === room) grow();
      const slot = slotOf(digest, 0);
      if (slots[slot] !== -1) return slots[slot]!;
      digests.set(digest, count * digestBytes);
      slots[slot] = count;
      count += 1;
      lacking += 1;
      return count - 1;
    },
    indexOf: (digest) => slots[slotOf(digest, 0)]!,
    placeOf: (chunk) => (files[chunk] === -1 ? null : { file: files[chunk]!, position: positions[chunk]! }),
    isFound: (chunk) => files[chunk] !== -1,
    found(chunk, file, position) {
      if (files[chunk] !== -1) return;
      files[chunk] = file;
      positions[chunk] = position;
      lacking -= 1;
    },
    lose,
    loseFile(file) {
      for (let chunk = 0; chunk < count; chunk += 1) if (files[chunk] === file) lose(chunk);
    },
  };
}
