/** The contract's id of an operation: a UUID of its words, so that the same step of the same job always has the same. */
import { createHash } from 'node:crypto';
import type { Operation } from '../install/ports.ts';

/** Version 8 (RFC 9562), of the beginning of a SHA-256. */
export function operationId(operation: Operation): string {
  const bytes = createHash('sha256').update(operation).digest().subarray(0, 16);
  bytes[6] = 0x80 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
