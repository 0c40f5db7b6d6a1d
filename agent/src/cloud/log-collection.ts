/** Answers a request for logs with what this device has kept, as batches on the bus. */
import { toBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type LogEntry, LogEntrySchema } from '@iotdh/proto/agent/v1';
import { type CollectLogs, LogRoute } from '@iotdh/proto/bus/v1';
import type { KeptLines } from '../log/kept-lines.ts';
import type { Log } from '../log/log.ts';
import { batchOf, maxBatchBytes, maxEntries } from './log-shipping.ts';
import type { Tell } from './tell.ts';

export type LogCollectionOptions = { kept: KeptLines; tell: Tell; log: Log };

/** What the contract says for a request that leaves it open, and what fits the outbox beside everything else. */
const defaultBytes = 16 * 1024 * 1024;
const mostBytes = 32 * 1024 * 1024;

/** False: there is no room in the outbox; whoever wants the lines asks again. */
export async function collectLogs(
  request: CollectLogs,
  { kept, tell, log }: LogCollectionOptions,
): Promise<boolean> {
  const { collectionId: id, route } = request;
  const onBus = route === LogRoute.BUS;
  if (!onBus) {
    const message = 'a collection by file upload is refused: this agent sends logs on the bus only';
    log({ level: 'warn', component: 'logs', message, about: { collection_id: id } });
  }
  const batches = onBus ? batchesOf(wantedLines(request, kept)) : [];
  for (const [index, entries] of [...batches, ...(batches.length === 0 ? [[]] : [])].entries()) {
    const last = index >= batches.length - 1;
    const told = await tell({ case: 'logBatch', value: batchOf(entries, { id, last }) });
    if (told.kind === 'again') return false;
  }
  const lines = batches.reduce((sum, entries) => sum + entries.length, 0);
  log({
    level: 'info',
    component: 'logs',
    message: `${lines} lines were collected`,
    about: { collection_id: id },
  });
  return true;
}

/** The lines that the request wants, oldest first; the newest win when there are too many. */
function wantedLines(request: CollectLogs, kept: KeptLines): LogEntry[] {
  const { fromTime, toTime, minLevel, components, maxBytes } = request;
  const fromMs = fromTime === undefined ? Number.NEGATIVE_INFINITY : timestampMs(fromTime);
  const toMs = toTime === undefined ? Number.POSITIVE_INFINITY : timestampMs(toTime);
  const most = Math.min(Number(maxBytes) || defaultBytes, mostBytes);
  const lines: LogEntry[] = [];
  let bytes = 0;
  for (const entry of kept.newestFirst()) {
    const timeMs = entry.time === undefined ? 0 : timestampMs(entry.time);
    if (timeMs < fromMs || timeMs > toMs || entry.level < minLevel) continue;
    if (components.length > 0 && !components.some((name) => isBelow(entry.component, name))) continue;
    bytes += sizeOf(entry);
    if (bytes > most) break;
    lines.push(entry);
  }
  return lines.reverse();
}

const sizeOf = (entry: LogEntry): number => toBinary(LogEntrySchema, entry).length;
const isBelow = (component: string, name: string): boolean =>
  component === name || component.startsWith(`${name}.`);

function batchesOf(lines: readonly LogEntry[]): LogEntry[][] {
  const batches: LogEntry[][] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = sizeOf(line);
    const current = batches.at(-1);
    if (current === undefined || current.length === maxEntries || bytes + size > maxBatchBytes) {
      batches.push([line]);
      bytes = size;
    } else {
      current.push(line);
      bytes += size;
    }
  }
  return batches;
}
