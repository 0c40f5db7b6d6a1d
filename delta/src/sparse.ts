/**
 * A sparse segment: literal bytes and copies of the base, to which differences are added. Its body holds four streams, one after
 * another, so that bytes of one kind lie together: operations, runs, differences, literals.
 */
import type { BaseCopies } from './base-copies.ts';
import { DeltaError } from './delta-error.ts';
import { maxOperations } from './format.ts';
import { type Cursor, readVarint, unzigzag } from './varint.ts';

type Streams = { operations: Cursor; runs: Cursor; differences: Cursor; literals: Cursor };

function splitBody(body: Uint8Array, malformed: (message: string) => DeltaError): Streams {
  const head: Cursor = { bytes: body, at: 0, end: body.length };
  const lengths = [readVarint(head), readVarint(head), readVarint(head)];
  let at = head.at;
  const [operations, runs, differences] = lengths.map((length) => {
    if (length < 0 || at + length > body.length) throw malformed('its streams are longer than its body');
    const cursor: Cursor = { bytes: body, at, end: at + length };
    at += length;
    return cursor;
  }) as [Cursor, Cursor, Cursor];
  return { operations, runs, differences, literals: { bytes: body, at, end: body.length } };
}

/**
 * Fills `output` from the body of the segment that begins at `position` of the whole output. Throws `DeltaError` before it reads
 * outside the base or writes outside the output.
 */
export async function applySparse(
  body: Uint8Array,
  output: Uint8Array,
  position: number,
  baseSize: number,
  copies: BaseCopies,
  what: string,
): Promise<void> {
  const malformed = (message: string) => new DeltaError('malformed', `${what}: ${message}`);
  const { operations, runs, differences, literals } = splitBody(body, malformed);

  // The run of differences that is under way: so many copied bytes are left as they are, so many are added to.
  let unchanged = 0;
  let changed = 0;
  function nextRun(): void {
    if (runs.at === runs.end) {
      unchanged = Number.MAX_SAFE_INTEGER;
      return;
    }
    unchanged = readVarint(runs);
    changed = readVarint(runs);
    if (unchanged < 0 || changed < 1) throw malformed('a run of differences is no pair of numbers');
    if (changed > differences.end - differences.at)
      throw malformed('its runs need more differences than there are');
  }
  function addDifferences(from: number, to: number): void {
    let at = from;
    while (at < to) {
      if (unchanged === 0 && changed === 0) nextRun();
      const skipped = Math.min(unchanged, to - at);
      unchanged -= skipped;
      at += skipped;
      const count = Math.min(changed, to - at);
      for (let left = count; left > 0; left -= 1) {
        output[at] = output[at]! + body[differences.at]!;
        at += 1;
        differences.at += 1;
      }
      changed -= count;
    }
  }

  let at = 0;
  let basePosition = position;
  copies.clear();
  for (let count = 0; operations.at < operations.end; count += 1) {
    if (count === maxOperations) throw malformed(`it has more than ${maxOperations} operations`);
    const literal = readVarint(operations);
    const copied = readVarint(operations);
    if (literal < 0 || copied < 0) throw malformed('an operation is no pair of numbers');
    if (literal + copied === 0 || literal + copied > output.length - at) {
      throw malformed(`an operation of ${literal} and ${copied} bytes where ${output.length - at} are left`);
    }
    if (literal > literals.end - literals.at) throw malformed('it needs more literals than there are');
    output.set(body.subarray(literals.at, literals.at + literal), at);
    literals.at += literal;
    at += literal;
    if (copied === 0) continue;

    const jump = readVarint(operations);
    if (jump < 0) throw malformed('a copy does not say where from');
    basePosition += unzigzag(jump);
    if (basePosition < 0 || basePosition + copied > baseSize) {
      const where = `${copied} bytes at ${basePosition} of a base of ${baseSize}`;
      throw new DeltaError('outside-base', `${what}: copies ${where}`);
    }
    copies.add(at, copied, basePosition);
    basePosition += copied;
    at += copied;
  }
  if (at !== output.length) throw malformed(`it yields ${at} bytes of ${output.length}`);
  await copies.copyInto(output);
  copies.forEach((place, length) => {
    addDifferences(place, place + length);
  });
  if (
    literals.at !== literals.end ||
    differences.at !== differences.end ||
    runs.at !== runs.end ||
    changed !== 0
  ) {
    throw malformed('something in it is left over');
  }
}
