/**
 * Checks the structure of encoded AMQP values before anything builds objects from them (AMQP 1.0 part 1, "Types").
 * rhea's reader trusts counts and sizes: a few bytes could make it allocate gigabytes or loop for minutes.
 */

/** Bytes that are not valid AMQP 1.0, or that exceed a limit of this hub. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** How deeply values may be nested. Real clients stay below 8. */
export const maxDepth = 32;
/** Elements of an array whose elements take no bytes, such as `true`. */
const maxEmptyElements = 256;

const fixedWidths = new Map([
  ...[0x40, 0x41, 0x42, 0x43, 0x44, 0x45].map((code) => [code, 0] as const),
  ...[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56].map((code) => [code, 1] as const),
  ...[0x60, 0x61].map((code) => [code, 2] as const),
  ...[0x70, 0x71, 0x72, 0x73, 0x74].map((code) => [code, 4] as const),
  ...[0x80, 0x81, 0x82, 0x83, 0x84].map((code) => [code, 8] as const),
  ...[0x94, 0x98].map((code) => [code, 16] as const),
]);

const isMap = (code: number) => code === 0xc1 || code === 0xd1;

function need(at: number, count: number, end: number): void {
  if (at + count > end) throw new WireError('a value goes beyond its frame');
}

function readLength(bytes: Buffer, at: number, width: 1 | 4, end: number): number {
  need(at, width, end);
  return width === 1 ? bytes.readUInt8(at) : bytes.readUInt32BE(at);
}

function checkCompound(
  bytes: Buffer,
  at: number,
  end: number,
  depth: number,
  width: 1 | 4,
  map: boolean,
): number {
  const size = readLength(bytes, at, width, end);
  need(at + width, size, end);
  const valuesEnd = at + width + size;
  const count = readLength(bytes, at + width, width, valuesEnd);
  let next = at + 2 * width;
  if (count > valuesEnd - next) throw new WireError('a list or map counts more values than it has bytes');
  if (map && count % 2 !== 0) throw new WireError('a map has a key without a value');
  for (let i = 0; i < count; i += 1) next = checkValue(bytes, next, valuesEnd, depth + 1);
  if (next !== valuesEnd) throw new WireError('the size of a list or map is wrong');
  return next;
}

function checkArray(bytes: Buffer, at: number, end: number, depth: number, width: 1 | 4): number {
  const size = readLength(bytes, at, width, end);
  need(at + width, size, end);
  const arrayEnd = at + width + size;
  const count = readLength(bytes, at + width, width, arrayEnd);
  let next = at + 2 * width;
  need(next, 1, arrayEnd);
  if (bytes[next] === 0x00) next = checkValue(bytes, next + 1, arrayEnd, depth + 1);
  need(next, 1, arrayEnd);
  const code = bytes.readUInt8(next);
  next += 1;
  if (fixedWidths.get(code) === 0 && count > maxEmptyElements)
    throw new WireError('an array counts too many empty elements');
  for (let i = 0; i < count; i += 1) next = checkBody(bytes, code, next, arrayEnd, depth + 1);
  if (next !== arrayEnd) throw new WireError('the size of an array is wrong');
  return next;
}

function checkBody(bytes: Buffer, code: number, at: number, end: number, depth: number): number {
  const fixed = fixedWidths.get(code);
  if (fixed !== undefined) {
    need(at, fixed, end);
    return at + fixed;
  }
  switch (code) {
    case 0xa0:
    case 0xa1:
    case 0xa3:
    case 0xb0:
    case 0xb1:
    case 0xb3: {
      const width = code < 0xb0 ? 1 : 4;
      const length = readLength(bytes, at, width, end);
      need(at + width, length, end);
      return at + width + length;
    }
    case 0xc0:
    case 0xc1:
      return checkCompound(bytes, at, end, depth, 1, isMap(code));
    case 0xd0:
    case 0xd1:
      return checkCompound(bytes, at, end, depth, 4, isMap(code));
    case 0xe0:
      return checkArray(bytes, at, end, depth, 1);
    case 0xf0:
      return checkArray(bytes, at, end, depth, 4);
    default:
      throw new WireError(`type code 0x${code.toString(16)} is unknown`);
  }
}

/**
 * Checks the value that begins at `at` and must end at or before `end`. Returns where it ends.
 * Throws WireError when it is malformed or nested deeper than `maxDepth`.
 */
export function checkValue(bytes: Buffer, at: number, end: number, depth = 0): number {
  if (depth > maxDepth) throw new WireError('values are nested too deeply');
  need(at, 1, end);
  const code = bytes.readUInt8(at);
  if (code !== 0x00) return checkBody(bytes, code, at + 1, end, depth);
  const described = checkValue(bytes, at + 1, end, depth + 1);
  return checkValue(bytes, described, end, depth + 1);
}
