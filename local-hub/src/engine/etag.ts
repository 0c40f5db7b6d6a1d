/** Entity tags of devices and twins, and the conditions that callers put on them (RFC 9110 §13.1.1). */
import { randomBytes } from 'node:crypto';
import { HubError } from './error.ts';

/** A new tag without quotes: 8 characters of base64. */
export function randomEtag(): string {
  return randomBytes(6).toString('base64');
}

/** The tag of a counted version: base64 of 8 bytes, big-endian, as IoT Hub writes those of twins (`AAAAAAAAAAE=`). */
export function versionEtag(version: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(version));
  return bytes.toString('base64');
}

/**
 * Holds `ifMatch` against the current tag. Undefined is no condition and `*` any tag; quotes and `W/` are ignored.
 * Throws HubError `PreconditionFailed`, saying what to do; `what` is like `The twin of device "d1"`.
 */
export function checkIfMatch(ifMatch: string | undefined, etag: string, what: string): void {
  if (ifMatch === undefined) return;
  const wanted = ifMatch.trim().replace(/^W\//, '').replaceAll('"', '');
  if (wanted === '*' || wanted === etag) return;
  throw new HubError(
    'PreconditionFailed',
    `${what} has the etag "${etag}", not "${wanted.slice(0, 100)}": somebody changed it. Read it again, and repeat the change`,
  );
}
