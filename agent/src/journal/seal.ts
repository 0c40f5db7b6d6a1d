/**
 * A record as text with its version, and a checksum over its place and its text: SQLite does not notice a bit that flips
 * inside a row, and a state that is read wrong is worse than one that is lost.
 */
import { crc32 } from 'node:zlib';
import { JournalError } from './journal-error.ts';
import type { Shape } from './shape.ts';

/** The version of every record that this agent writes. It reads every version up to this one. */
export const recordVersion = 2;

export type Sealed = { body: string; crc: number };

/** Throws when the value is not of the shape: what could not be read back is not written. */
export function seal<T>(place: string, value: T, shape: Shape<T>): Sealed {
  if (!shape(value)) throw new Error(`${place}: not a valid record: ${JSON.stringify(value).slice(0, 500)}`);
  const body = JSON.stringify({ version: recordVersion, value });
  return { body, crc: crc32(`${place} ${body}`) };
}

/** What a value that was written as an older version is now; any other value as it is. */
export type Upgrade = (value: unknown, version: number) => unknown;

const unchanged: Upgrade = (value) => value;

/** Throws a JournalError: `damaged` or `newer_version`. */
export function unseal<T>(
  place: string,
  { body, crc }: Sealed,
  shape: Shape<T>,
  upgrade: Upgrade = unchanged,
): T {
  if (crc32(`${place} ${body}`) !== crc)
    throw new JournalError('damaged', `${place}: the checksum does not match`);
  const { version, value } = parse(place, body);
  if (typeof version === 'number' && version > recordVersion) {
    throw new JournalError(
      'newer_version',
      `${place}: record version ${version}, this agent reads up to ${recordVersion}`,
    );
  }
  const known = Number.isSafeInteger(version) && Number(version) >= 1;
  const now = known ? upgrade(value, Number(version)) : undefined;
  if (!shape(now)) throw new JournalError('damaged', `${place}: not a valid record`);
  return now;
}

function parse(place: string, body: string): { version?: unknown; value?: unknown } {
  try {
    const record: unknown = JSON.parse(body);
    return typeof record === 'object' && record !== null ? record : {};
  } catch (error) {
    throw new JournalError('damaged', `${place}: not a valid record`, { cause: error });
  }
}
