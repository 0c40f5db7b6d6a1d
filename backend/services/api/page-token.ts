/**
 * Page tokens: where the next page begins, bound to the list and the filter that they were given out for. They are no secret
 * and grant nothing, so they are not signed; what they say is checked as anything else from outside.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { contentDigest } from './content-digest.ts';
import { refuse } from './refusal.ts';

/** The last row of the page before: its id, and, in lists by time, its time in ms since 1970. */
export type Position = { id: string; timeMs: number };

const maxIdLength = 300;
const maxTimeMs = 8_640_000_000_000_000;
const bindingLength = 22;

/** A digest of the list's request without its page, for `Position`s of the same list to be told from those of others. */
export function listBinding<Desc extends DescMessage>(
  schema: Desc,
  request: MessageShape<Desc> & { pageSize: number; pageToken: string },
): string {
  return contentDigest(schema, { ...request, pageSize: 0, pageToken: '' }).slice(0, bindingLength);
}

export function pageToken(binding: string, { id, timeMs }: Position): string {
  return Buffer.from(JSON.stringify([binding, timeMs, id])).toString('base64url');
}

/** Null for an empty token. Refuses with `page_token_invalid` what is not one of this list. */
export function positionOf(binding: string, token: string): Position | null {
  if (token === '') return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    return refuse({ kind: 'page_token_invalid' });
  }
  const [given, timeMs, id] = Array.isArray(value) ? (value as unknown[]) : [];
  if (given !== binding) return refuse({ kind: 'page_token_invalid' });
  if (typeof timeMs !== 'number' || !Number.isSafeInteger(timeMs) || Math.abs(timeMs) > maxTimeMs) {
    return refuse({ kind: 'page_token_invalid' });
  }
  if (typeof id !== 'string' || id.length > maxIdLength) return refuse({ kind: 'page_token_invalid' });
  return { id, timeMs };
}

const defaultPageSize = 100;

/** How many rows a page has: 100 when the request leaves it open. */
export const pageSizeOf = (requested: number): number => (requested === 0 ? defaultPageSize : requested);

/**
 * A page out of one row more than it holds, and the token of the next one, empty when there is none.
 */
export function pageOf<Row>(
  rows: readonly Row[],
  pageSize: number,
  binding: string,
  position: (row: Row) => Position,
): { page: Row[]; nextPageToken: string } {
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { page, nextPageToken: more ? pageToken(binding, position(last)) : '' };
}

/** The rows after a position in a list by time, the newest first. */
export function olderThan(position: Position | null, timeField: string): Record<string, unknown> {
  if (position === null) return {};
  const time = new Date(position.timeMs);
  return { $or: [{ [timeField]: { $lt: time } }, { [timeField]: time, _id: { $lt: position.id } }] };
}
