/**
 * Reads checked AMQP values into JavaScript ones. Types that JavaScript lacks become strings (symbol, uuid, char) or
 * buffers (binary, decimals); maps become Maps, because keys may be anything.
 */
import { checkValue, WireError } from './check.ts';

export type AmqpValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Buffer
  | AmqpValue[]
  | Map<AmqpValue, AmqpValue>
  | Described;

/** A value with a descriptor, such as a section of a message. */
export class Described {
  readonly descriptor: AmqpValue;
  readonly value: AmqpValue;
  constructor(descriptor: AmqpValue, value: AmqpValue) {
    this.descriptor = descriptor;
    this.value = value;
  }
}

/** A position in bytes that `checkValue` has accepted. */
export type Cursor = { readonly bytes: Buffer; at: number };

const safe = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

/** The canonical text of a 16-byte uuid. */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function take(cursor: Cursor, length: number): Buffer {
  cursor.at += length;
  return cursor.bytes.subarray(cursor.at - length, cursor.at);
}

function takeLength(cursor: Cursor, width: 1 | 4): number {
  const length = width === 1 ? cursor.bytes.readUInt8(cursor.at) : cursor.bytes.readUInt32BE(cursor.at);
  cursor.at += width;
  return length;
}

function takeList(cursor: Cursor, width: 1 | 4): AmqpValue[] {
  takeLength(cursor, width);
  const count = takeLength(cursor, width);
  const values: AmqpValue[] = [];
  for (let i = 0; i < count; i += 1) values.push(readValue(cursor));
  return values;
}

function takeMap(cursor: Cursor, width: 1 | 4): Map<AmqpValue, AmqpValue> {
  takeLength(cursor, width);
  const count = takeLength(cursor, width);
  const map = new Map<AmqpValue, AmqpValue>();
  for (let i = 0; i < count; i += 2) {
    const key = readValue(cursor);
    map.set(key, readValue(cursor));
  }
  return map;
}

function takeArray(cursor: Cursor, width: 1 | 4): AmqpValue[] {
  takeLength(cursor, width);
  const count = takeLength(cursor, width);
  const described = cursor.bytes[cursor.at] === 0x00;
  if (described) cursor.at += 1;
  const descriptor = described ? readValue(cursor) : undefined;
  const code = cursor.bytes.readUInt8(cursor.at);
  cursor.at += 1;
  const values: AmqpValue[] = [];
  for (let i = 0; i < count; i += 1) {
    const value = readBody(cursor, code);
    values.push(descriptor === undefined ? value : new Described(descriptor, value));
  }
  return values;
}

function readBody(cursor: Cursor, code: number): AmqpValue {
  const { bytes, at } = cursor;
  const fixed = (length: number) => {
    cursor.at += length;
  };
  switch (code) {
    case 0x40:
      return null;
    case 0x41:
      return true;
    case 0x42:
      return false;
    case 0x43:
    case 0x44:
      return 0;
    case 0x45:
      return [];
    case 0x56:
      fixed(1);
      return bytes.readUInt8(at) !== 0;
    case 0x50:
    case 0x52:
    case 0x53:
      fixed(1);
      return bytes.readUInt8(at);
    case 0x51:
    case 0x54:
    case 0x55:
      fixed(1);
      return bytes.readInt8(at);
    case 0x60:
      fixed(2);
      return bytes.readUInt16BE(at);
    case 0x61:
      fixed(2);
      return bytes.readInt16BE(at);
    case 0x70:
      fixed(4);
      return bytes.readUInt32BE(at);
    case 0x71:
      fixed(4);
      return bytes.readInt32BE(at);
    case 0x72:
      fixed(4);
      return bytes.readFloatBE(at);
    case 0x73: {
      fixed(4);
      const point = bytes.readUInt32BE(at);
      if (point > 0x10ffff) throw new WireError('a char is not a Unicode code point');
      return String.fromCodePoint(point);
    }
    case 0x80:
      fixed(8);
      return safe(bytes.readBigUInt64BE(at));
    case 0x81:
      fixed(8);
      return safe(bytes.readBigInt64BE(at));
    case 0x82:
      fixed(8);
      return bytes.readDoubleBE(at);
    case 0x83:
      fixed(8);
      return new Date(Number(bytes.readBigInt64BE(at)));
    case 0x74:
      return take(cursor, 4);
    case 0x84:
      return take(cursor, 8);
    case 0x94:
      return take(cursor, 16);
    case 0x98:
      return uuidText(take(cursor, 16));
    case 0xa0:
      return take(cursor, takeLength(cursor, 1));
    case 0xb0:
      return take(cursor, takeLength(cursor, 4));
    case 0xa1:
      return take(cursor, takeLength(cursor, 1)).toString('utf8');
    case 0xb1:
      return take(cursor, takeLength(cursor, 4)).toString('utf8');
    case 0xa3:
      return take(cursor, takeLength(cursor, 1)).toString('latin1');
    case 0xb3:
      return take(cursor, takeLength(cursor, 4)).toString('latin1');
    case 0xc0:
      return takeList(cursor, 1);
    case 0xd0:
      return takeList(cursor, 4);
    case 0xc1:
      return takeMap(cursor, 1);
    case 0xd1:
      return takeMap(cursor, 4);
    case 0xe0:
      return takeArray(cursor, 1);
    case 0xf0:
      return takeArray(cursor, 4);
    default:
      throw new WireError(`type code 0x${code.toString(16)} is unknown`);
  }
}

/** Reads one value and moves the cursor behind it. The bytes must have passed `checkValue`. */
export function readValue(cursor: Cursor): AmqpValue {
  const code = cursor.bytes.readUInt8(cursor.at);
  cursor.at += 1;
  if (code !== 0x00) return readBody(cursor, code);
  const descriptor = readValue(cursor);
  return new Described(descriptor, readValue(cursor));
}

/** Checks and reads a single value. Throws WireError. */
export function parseValue(bytes: Buffer, start = 0): AmqpValue {
  checkValue(bytes, start, bytes.length);
  return readValue({ bytes, at: start });
}
