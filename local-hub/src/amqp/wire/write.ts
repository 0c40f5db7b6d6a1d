/**
 * Writes AMQP values of exactly the type asked for: clients see the difference between a long and an int, or between
 * a symbol and a string.
 */

/** A growing buffer; `at` is how much is written. */
export type Writer = { bytes: Buffer; at: number };

export const createWriter = (expectedBytes = 256): Writer => ({
  bytes: Buffer.allocUnsafe(expectedBytes),
  at: 0,
});

/** What was written, without copying. */
export const written = (writer: Writer): Buffer => writer.bytes.subarray(0, writer.at);

function reserve(writer: Writer, count: number): number {
  const { at, bytes } = writer;
  if (at + count > bytes.length) {
    writer.bytes = Buffer.allocUnsafe(Math.max(2 * bytes.length, at + count));
    bytes.copy(writer.bytes, 0, 0, at);
  }
  writer.at = at + count;
  return at;
}

function putByte(writer: Writer, value: number): void {
  const at = reserve(writer, 1);
  writer.bytes[at] = value;
}

/** Bytes that are encoded already. */
export function putRaw(writer: Writer, encoded: Buffer): void {
  const at = reserve(writer, encoded.length);
  encoded.copy(writer.bytes, at);
}

export const putNull = (writer: Writer): void => putByte(writer, 0x40);
export const putBoolean = (writer: Writer, value: boolean): void => putByte(writer, value ? 0x41 : 0x42);

export function putUbyte(writer: Writer, value: number): void {
  putByte(writer, 0x50);
  putByte(writer, value);
}

export function putUint(writer: Writer, value: number): void {
  const at = reserve(writer, 5);
  writer.bytes[at] = 0x70;
  writer.bytes.writeUInt32BE(value, at + 1);
}

export function putInt(writer: Writer, value: number): void {
  const at = reserve(writer, 5);
  writer.bytes[at] = 0x71;
  writer.bytes.writeInt32BE(value, at + 1);
}

function putInt64(writer: Writer, code: number, value: number | bigint): void {
  const at = reserve(writer, 9);
  writer.bytes[at] = code;
  if (typeof value === 'bigint') {
    writer.bytes.writeBigInt64BE(value, at + 1);
    return;
  }
  const whole = Math.trunc(value);
  const high = Math.floor(whole / 0x1_0000_0000);
  writer.bytes.writeInt32BE(high, at + 1);
  writer.bytes.writeUInt32BE(whole - high * 0x1_0000_0000, at + 5);
}

export const putLong = (writer: Writer, value: number | bigint): void => putInt64(writer, 0x81, value);
/** Milliseconds since 1970. */
export const putTimestamp = (writer: Writer, timeMs: number): void => putInt64(writer, 0x83, timeMs);

function putSized(writer: Writer, shortCode: number, bytes: Buffer): void {
  const short = bytes.length <= 0xff;
  const at = reserve(writer, (short ? 2 : 5) + bytes.length);
  writer.bytes[at] = short ? shortCode : shortCode + 0x10;
  if (short) writer.bytes[at + 1] = bytes.length;
  else writer.bytes.writeUInt32BE(bytes.length, at + 1);
  bytes.copy(writer.bytes, at + (short ? 2 : 5));
}

export const putBinary = (writer: Writer, value: Buffer): void => putSized(writer, 0xa0, value);
export const putString = (writer: Writer, value: string): void => putSized(writer, 0xa1, Buffer.from(value));
/** Symbols are ASCII. */
export const putSymbol = (writer: Writer, value: string): void =>
  putSized(writer, 0xa3, Buffer.from(value, 'latin1'));

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (text: string): boolean => uuidPattern.test(text);

/** The 16 bytes of a uuid in text form. */
export const uuidBytes = (text: string): Buffer => Buffer.from(text.replaceAll('-', ''), 'hex');

/** A uuid in text form as an AMQP uuid, any other text as a string. */
export function putId(writer: Writer, id: string): void {
  if (isUuid(id)) {
    putByte(writer, 0x98);
    putRaw(writer, uuidBytes(id));
  } else putString(writer, id);
}

/** Begins a described value: its value must be written next. */
export function putDescriptor(writer: Writer, code: number): void {
  const at = reserve(writer, 3);
  writer.bytes[at] = 0x00;
  writer.bytes[at + 1] = 0x53;
  writer.bytes[at + 2] = code;
}

function putCompound(writer: Writer, code: number, count: number, fill: () => void): void {
  const at = reserve(writer, 9);
  fill();
  writer.bytes[at] = code;
  writer.bytes.writeUInt32BE(writer.at - at - 5, at + 1);
  writer.bytes.writeUInt32BE(count, at + 5);
}

/** A list of `count` values, which `fill` writes. */
export const putList = (writer: Writer, count: number, fill: () => void): void =>
  putCompound(writer, 0xd0, count, fill);
/** A map of `count` keys and `count` values, which `fill` writes in turns. */
export const putMap = (writer: Writer, count: number, fill: () => void): void =>
  putCompound(writer, 0xd1, 2 * count, fill);

/** An array of strings. */
export function putStrings(writer: Writer, values: readonly string[]): void {
  putCompound(writer, 0xf0, values.length, () => {
    putByte(writer, 0xb1);
    for (const value of values) {
      const bytes = Buffer.from(value);
      const at = reserve(writer, 4 + bytes.length);
      writer.bytes.writeUInt32BE(bytes.length, at);
      bytes.copy(writer.bytes, at + 4);
    }
  });
}

/** An array of symbols. */
export function putSymbols(writer: Writer, values: readonly string[]): void {
  putCompound(writer, 0xf0, values.length, () => {
    putByte(writer, 0xa3);
    for (const value of values) {
      const bytes = Buffer.from(value, 'latin1');
      const at = reserve(writer, 1 + bytes.length);
      writer.bytes[at] = bytes.length;
      bytes.copy(writer.bytes, at + 1);
    }
  });
}
