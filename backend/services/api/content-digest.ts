/** A digest of what a message says, the same whatever order a client writes its maps in. */
import { createHash } from 'node:crypto';
import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';

/** SHA-256 in hex. */
export function contentDigest<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string {
  const text = JSON.stringify(sorted(toJson(schema, message)));
  return createHash('sha256').update(`${schema.typeName}\n${text}`).digest('hex');
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, part]) => [name, sorted(part)]));
}
