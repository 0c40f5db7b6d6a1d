/** `iotdh logs`: lines that a device has sent, and lines that it is asked for. */
import { randomUUID } from 'node:crypto';
import { toJson } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema, LogLevel } from '@iotdh/proto/agent/v1';
import { LogRoute } from '@iotdh/proto/bus/v1';
import { LogCollectionState } from '@iotdh/proto/fleet/v1';
import { readPages } from '../connection/pages.ts';
import { isUnreachable } from '../connection/rpc-failure.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { printJson } from '../output/format.ts';
import { enumText, oneLine } from '../output/words.ts';
import { parseDuration } from '../quantities.ts';
import type { Style } from '../terminal.ts';
import type { Context } from './context.ts';
import { enumValue, instantOf } from './words.ts';

export type LogOptions = {
  since?: string;
  until?: string;
  level?: string;
  component?: string;
  text?: string;
  limit: number;
  follow?: boolean;
  collect?: boolean;
  timeout: string;
};

const pollMs = 2_000;
const collectPollMs = 1_000;
/** Lines reach the fleet in batches and late: each look begins that much before the newest line that was seen. */
const overlapMs = 60_000;
/** Lines of one look. */
const followLimit = 1_000;
const levelStyles: Partial<Record<LogLevel, Style>> = {
  [LogLevel.WARN]: 'yellow',
  [LogLevel.ERROR]: 'red',
  [LogLevel.FATAL]: ['red', 'bold'],
  [LogLevel.DEBUG]: 'dim',
};

/** Resolves to the exit code. */
export async function logs(context: Context, deviceId: string, options: LogOptions): Promise<number> {
  const { terminal, format } = context;
  const collectionId = options.collect === true ? await collect(context, deviceId, options) : '';
  if (options.follow === true) return follow(context, deviceId, options, collectionId);
  const first = await read(context, deviceId, options, { collectionId });
  if (format === 'json' || format === 'yaml') {
    await printJson(
      terminal,
      format,
      first.map((entry) => toJson(LogEntrySchema, entry)),
    );
  } else print(context, first);
  if (first.length === 0 && format === 'table') {
    terminal.note(
      `${deviceId} has sent no such lines. Ask it for more with: iotdh logs ${deviceId} --collect`,
    );
  }
  return exitCode.ok;
}

/** The newest lines, the oldest of them first; one that came by itself and with a collection once. */
async function read(
  { fleet, terminal }: Context,
  deviceId: string,
  options: LogOptions,
  more: { collectionId?: string; fromTime?: LogEntry['time'] },
): Promise<LogEntry[]> {
  const { component = '', text = '', limit } = options;
  const now = terminal.now();
  const fromTime = more.fromTime ?? (options.since === undefined ? undefined : instantOf(options.since, now));
  const { items } = await readPages(limit, async (pageSize, pageToken) => {
    const page = await fleet.logs.listLogs(
      {
        deviceId,
        component,
        text,
        pageSize,
        pageToken,
        collectionId: more.collectionId ?? '',
        minLevel: levelOf(options),
        ...(fromTime !== undefined && { fromTime }),
        ...(options.until !== undefined && { toTime: instantOf(options.until, now) }),
      },
      { signal: terminal.signal },
    );
    return { items: page.entries, nextPageToken: page.nextPageToken };
  });
  return [...new Map(items.reverse().map((entry) => [keyOf(entry), entry])).values()];
}

const keyOf = (entry: LogEntry): string => JSON.stringify(toJson(LogEntrySchema, entry));

function levelOf({ level }: LogOptions): LogLevel {
  return level === undefined ? LogLevel.UNSPECIFIED : enumValue(LogLevel, level);
}

function print({ terminal, format }: Context, entries: readonly LogEntry[]): void {
  for (const entry of entries) {
    if (format !== 'table') {
      terminal.out(`${JSON.stringify(toJson(LogEntrySchema, entry))}\n`);
      continue;
    }
    const { time, level, component, message, attributes } = entry;
    const at =
      time === undefined ? '' : new Date(Number(time.seconds) * 1_000 + time.nanos / 1e6).toISOString();
    const word = enumText(LogLevel, level).toUpperCase().padEnd(5);
    const style = levelStyles[level];
    const rest = Object.entries(attributes)
      .map(([key, value]) => ` ${key}=${value}`)
      .join('');
    const text = oneLine(`${message}${rest}`);
    terminal.out(`${at} ${style === undefined ? word : terminal.style(style, word)} ${component}  ${text}\n`);
  }
}

/** The API has no stream of lines: it is asked again, and what was there before is left out. */
async function follow(
  context: Context,
  deviceId: string,
  options: LogOptions,
  collectionId: string,
): Promise<number> {
  const { terminal } = context;
  const limit = Math.max(options.limit, followLimit);
  const first = await read(context, deviceId, { ...options, limit }, { collectionId });
  print(context, first.slice(-options.limit));
  let seen = new Set(first.map(keyOf));
  let newestMs = Math.max(0, ...first.map(millisecondsOf));
  while (!terminal.signal.aborted) {
    await terminal.wait(pollMs).catch(() => undefined);
    if (terminal.signal.aborted) break;
    const fromMs = Math.max(0, newestMs - overlapMs);
    try {
      const fromTime =
        newestMs === 0 ? {} : { fromTime: instantOf(new Date(fromMs).toISOString(), terminal.now()) };
      const entries = await read(context, deviceId, { ...options, limit: followLimit }, fromTime);
      print(
        context,
        entries.filter((entry) => !seen.has(keyOf(entry))),
      );
      seen = new Set(entries.map(keyOf));
      newestMs = Math.max(newestMs, ...entries.map(millisecondsOf));
    } catch (error) {
      if (!isUnreachable(error)) throw error;
    }
  }
  return exitCode.interrupted;
}

const millisecondsOf = ({ time }: LogEntry): number => Number(time?.seconds ?? 0n) * 1_000;

/** Asks the device, and waits until all of it has come. */
async function collect(context: Context, deviceId: string, options: LogOptions): Promise<string> {
  const { fleet, terminal } = context;
  const { signal } = terminal;
  const collectionId = randomUUID();
  const now = terminal.now();
  const timeoutMs = parseDuration(options.timeout);
  if (timeoutMs === undefined)
    throw new Failure(exitCode.usage, `${options.timeout} is no duration: write 90s or 10m`);
  await fleet.logs.collectLogs(
    {
      deviceId,
      request: {
        collectionId,
        route: LogRoute.BUS,
        minLevel: levelOf(options),
        ...(options.component !== undefined && { components: [options.component] }),
        ...(options.since !== undefined && { fromTime: instantOf(options.since, now) }),
        ...(options.until !== undefined && { toTime: instantOf(options.until, now) }),
      },
    },
    { signal },
  );
  terminal.note(`Asked ${deviceId} for its logs: collection ${collectionId}.`);
  const deadlineMs = now.getTime() + timeoutMs;
  for (;;) {
    const { collection } = await fleet.logs.getLogCollection({ collectionId }, { signal });
    if (collection?.state === LogCollectionState.COMPLETE) return collectionId;
    if (terminal.now().getTime() >= deadlineMs) {
      throw new Failure(
        exitCode.timeout,
        `${deviceId} has not sent all of collection ${collectionId} within ${options.timeout}`,
        {
          next: `It goes on: what comes is shown by iotdh logs ${deviceId}`,
        },
      );
    }
    await terminal.wait(collectPollMs);
  }
}
