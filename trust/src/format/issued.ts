/**
 * When a timestamp was signed, by the clock of whoever signed it. TUF has no such field and lets metadata carry others; a client
 * that does not know it is not disturbed.
 */
import type { Timestamp } from '@tufjs/models';

export const issuedField = 'issued';

/** Milliseconds since 1970; null: it does not say. `malformed` when it says something else. */
export function issuedMs({ unrecognizedFields }: Timestamp): number | null | 'malformed' {
  const said = unrecognizedFields[issuedField];
  if (said === undefined) return null;
  const time = typeof said === 'string' ? Date.parse(said) : Number.NaN;
  return Number.isNaN(time) ? 'malformed' : time;
}

/** Seconds, in UTC, as TUF writes its instants. */
export const instant = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
