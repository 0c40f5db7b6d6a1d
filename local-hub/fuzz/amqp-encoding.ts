/**
 * The AMQP 1.0 type system (part 1 of the standard), just enough to write frames by hand. Every size and count passes through
 * `distort`, so that a session can lie about any length at any depth.
 */

/** Returns the length to write in place of the true one. */
export type Distort = (length: number) => number;

export type Encoder = {
  nothing(): Buffer;
  boolean(value: boolean): Buffer;
  ubyte(value: number): Buffer;
  ushort(value: number): Buffer;
  uint(value: number): Buffer;
  ulong(value: number): Buffer;
  timestamp(ms: number): Buffer;
  text(value: string): Buffer;
  symbol(value: string): Buffer;
  binary(value: Uint8Array): Buffer;
  list(items: readonly Buffer[]): Buffer;
  map(entries: readonly (readonly [Buffer, Buffer])[]): Buffer;
  /** A value with a descriptor, as performatives, sections and outcomes are. */
  described(descriptor: number, value: Buffer): Buffer;
  /** A frame of type 0 (AMQP) or 1 (SASL). */
  frame(type: 0 | 1, channel: number, body: Buffer): Buffer;
};

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(Math.trunc(value))));
  return bytes;
}

/** Creates an encoder whose lengths all go through `distort`. */
export function createEncoder(distort: Distort): Encoder {
  const typed = (code: number, ...rest: Buffer[]) => Buffer.concat([Buffer.from([code]), ...rest]);

  function variable(narrow: number, value: Uint8Array): Buffer {
    const length = distort(value.length);
    const bytes = Buffer.from(value);
    // The wide form of each variable-width type is its narrow code + 0x10 (§1.2).
    return length < 256
      ? typed(narrow, Buffer.from([length]), bytes)
      : typed(narrow + 0x10, uint32(length), bytes);
  }

  function compound(wide: number, count: number, items: readonly Buffer[]): Buffer {
    const body = Buffer.concat(items);
    return typed(wide, uint32(distort(body.length + 4)), uint32(distort(count)), body);
  }

  return {
    nothing: () => typed(0x40),
    boolean: (value) => typed(value ? 0x41 : 0x42),
    ubyte: (value) => typed(0x50, Buffer.from([value])),
    ushort: (value) => typed(0x60, Buffer.from([(value >> 8) & 0xff, value & 0xff])),
    uint: (value) => typed(0x70, uint32(value)),
    ulong: (value) => typed(0x80, uint64(value)),
    timestamp: (ms) => typed(0x83, uint64(ms)),
    text: (value) => variable(0xa1, Buffer.from(value)),
    symbol: (value) => variable(0xa3, Buffer.from(value)),
    binary: (value) => variable(0xa0, value),
    list: (items) => (items.length === 0 ? typed(0x45) : compound(0xd0, items.length, items)),
    map: (entries) => compound(0xd1, entries.length * 2, entries.flat()),
    described: (descriptor, value) => typed(0x00, typed(0x53, Buffer.from([descriptor])), value),
    frame: (type, channel, body) =>
      Buffer.concat([
        uint32(distort(body.length + 8)),
        Buffer.from([2, type, (channel >> 8) & 0xff, channel & 0xff]),
        body,
      ]),
  };
}
