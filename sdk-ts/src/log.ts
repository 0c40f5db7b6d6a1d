/** Lines of a log as the contract wants them: cut to what it allows, in batches that it takes. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type LogEntry, LogEntrySchema, LogLevel } from './proto.ts';
import type { LogLine } from './types.ts';

/** The contract's limits. */
const maxLines = 500;
const maxMessageBytes = 8192;
const maxComponentLength = 128;
const maxAttributes = 32;
const maxNameLength = 64;
const maxValueBytes = 1024;
/** A quarter of what the agent reads at once. */
const maxBatchBytes = 1024 * 1024;
/** About what a line needs besides its texts. */
const lineOverheadBytes = 64;

const encoder = new TextEncoder();

/** The beginning of the text that fits in UTF-8, without half a character at its end. */
function cut(text: string, maxBytes: number): string {
  return text.slice(0, encoder.encodeInto(text, new Uint8Array(maxBytes)).read);
}

function entryOf({
  message,
  component,
  level = 'info',
  time = new Date(),
  attributes = {},
}: LogLine): LogEntry {
  const kept = Object.entries(attributes)
    .filter(([name]) => name !== '')
    .slice(0, maxAttributes)
    .map(([name, value]) => [name.slice(0, maxNameLength), cut(value, maxValueBytes)]);
  return create(LogEntrySchema, {
    message: cut(message || ' ', maxMessageBytes),
    component: component.slice(0, maxComponentLength),
    level: LogLevel[level.toUpperCase() as Uppercase<typeof level>],
    time: timestampFromDate(time),
    attributes: Object.fromEntries(kept) as Record<string, string>,
  });
}

function bytesOf({ message, component, attributes }: LogEntry): number {
  const texts = [message, component, ...Object.entries(attributes).flat()];
  return texts.reduce((sum, text) => sum + encoder.encode(text).byteLength, lineOverheadBytes);
}

/** The lines in order, in as few batches as the limits allow. */
export function batchesOf(lines: readonly LogLine[]): LogEntry[][] {
  const batches: LogEntry[][] = [];
  let batch: LogEntry[] = [];
  let batchBytes = 0;
  for (const entry of lines.map(entryOf)) {
    const bytes = bytesOf(entry);
    if (batch.length === 0 || batch.length === maxLines || batchBytes + bytes > maxBatchBytes) {
      batch = [];
      batchBytes = 0;
      batches.push(batch);
    }
    batch.push(entry);
    batchBytes += bytes;
  }
  return batches;
}
