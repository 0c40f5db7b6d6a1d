/** Cursors of the stream of events: opaque to callers, the number of an event to us. */

const pattern = /^e1-(0|[1-9][0-9]{0,17})$/;

export const cursorOf = (sequence: bigint): string => `e1-${sequence}`;

/** Null: it is none. */
export function sequenceOf(cursor: string): bigint | null {
  const digits = pattern.exec(cursor)?.[1];
  return digits === undefined ? null : BigInt(digits);
}
