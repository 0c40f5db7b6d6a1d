/**
 * Whole numbers from 0 to 2^42 - 1 as varints: seven bits a byte, the lowest first, the eighth bit of all but the last byte set, as
 * in Protocol Buffers; six bytes at most, and none that adds nothing. Signed ones are zigzag-encoded: 0, -1, 1, -2 are 0, 1, 2, 3.
 */

export const maxVarintBytes = 6;

/** A place in bytes. Reading moves it. */
export type Cursor = { bytes: Uint8Array; at: number; end: number };

/** The next number, or -1 where the bytes hold none. */
export function readVarint(cursor: Cursor): number {
  const { bytes, end } = cursor;
  let at = cursor.at;
  if (at >= end) return -1;
  let byte = bytes[at]!;
  at += 1;
  if (byte < 0x80) {
    cursor.at = at;
    return byte;
  }
  let value = byte & 0x7f;
  let scale = 0x80;
  for (let count = 1; count < maxVarintBytes; count += 1) {
    if (at >= end) return -1;
    byte = bytes[at]!;
    at += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      cursor.at = at;
      return byte === 0 ? -1 : value;
    }
    scale *= 0x80;
  }
  return -1;
}

/** Writes a number and answers where the next byte goes. */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    into[next] = (rest % 0x80) | 0x80;
    next += 1;
    rest = Math.floor(rest / 0x80);
  }
  into[next] = rest;
  return next + 1;
}

export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
