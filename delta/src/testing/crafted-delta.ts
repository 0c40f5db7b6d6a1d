/** Deltas written by hand: any part of one can be made wrong. */
import { codecs, type DeltaCodec } from '../format.ts';
import { zigzag } from '../varint.ts';

/** Numbers as varints, end to end; bytes as they are. */
export const sequence = (...items: Item[]): Buffer => joined(items);

type Item = number | Uint8Array | string;

function joined(items: readonly Item[]): Buffer {
  return Buffer.concat(
    items.map((item) => {
      if (typeof item === 'string') return Buffer.from(item, 'latin1');
      if (typeof item !== 'number') return item;
      const bytes: number[] = [];
      for (let rest = item; ; rest = Math.floor(rest / 128)) {
        bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
        if (rest < 128) return Buffer.from(bytes);
      }
    }),
  );
}

export type SparseParts = {
  /** How many literal bytes, how many copied ones, and how far the copy is from where the one before it ended. */
  operations: [literal: number, copied: number, jump?: number][];
  /** How many copied bytes are left as they are, and how many are added to. */
  runs?: [unchanged: number, changed: number][];
  differences?: Uint8Array | string;
  literals?: Uint8Array | string;
};

/** The plain body of a sparse segment. */
export function sparseBody({ operations, runs = [], differences = '', literals = '' }: SparseParts): Buffer {
  const streams = [
    joined(
      operations.flatMap(([literal, copied, jump]) =>
        jump === undefined ? [literal, copied] : [literal, copied, zigzag(jump)],
      ),
    ),
    joined(runs.flat()),
    sequence(differences),
  ];
  return sequence(...streams.map(({ length }) => length), ...streams, literals);
}

export type CraftedDelta = {
  magic?: string;
  version?: number;
  codec?: DeltaCodec | number;
  segmentLog?: number;
  reserved?: number;
  baseSize: number | bigint;
  outputSize: number | bigint;
  /** Entries of the index, and what is stored between header and index. */
  index: Uint8Array;
  bodies?: Uint8Array;
  indexBytes?: number;
};

export function craftDelta(crafted: CraftedDelta): Buffer {
  const { magic = 'IDHD', version = 1, codec = 'none', segmentLog = 16, reserved = 0, index } = crafted;
  const header = Buffer.alloc(24);
  header.write(magic, 'latin1');
  header.set([version, typeof codec === 'number' ? codec : codecs[codec], segmentLog, reserved], 4);
  header.writeBigUInt64LE(BigInt(crafted.baseSize), 8);
  header.writeBigUInt64LE(BigInt(crafted.outputSize), 16);
  const trailer = Buffer.alloc(4);
  trailer.writeUInt32LE(crafted.indexBytes ?? index.length);
  return Buffer.concat([header, crafted.bodies ?? Buffer.alloc(0), index, trailer]);
}

/** Entries of the index. */
export const entries = {
  copy: (jump: number): Buffer => sequence(0, zigzag(jump)),
  full: (storedBytes: number): Buffer => sequence(storedBytes * 4 + 1),
  sparse: (storedBytes: number, plainBytes = storedBytes): Buffer =>
    sequence(storedBytes * 4 + 2, plainBytes),
};

/** A delta of one sparse segment that is not compressed. */
export function sparseDelta(
  base: Uint8Array,
  outputSize: number,
  parts: SparseParts | Buffer,
  changes: Partial<CraftedDelta> = {},
): Buffer {
  const body = Buffer.isBuffer(parts) ? parts : sparseBody(parts);
  return craftDelta({
    baseSize: base.length,
    outputSize,
    index: entries.sparse(body.length),
    bodies: body,
    ...changes,
  });
}
