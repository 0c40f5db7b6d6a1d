/** The agent's own log: lines that go to the process's output, to the disk and to the cloud. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type LogEntry, LogEntrySchema, LogLevel } from '@iotdh/proto/agent/v1';

/** From the least serious on. */
export const levels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof levels)[number];

export type Line = {
  level: Level;
  /** The part of the agent that says it, such as `transfer`. */
  component: string;
  message: string;
  /** What else is known, by name. A value that is undefined or empty is left out. */
  about?: Readonly<Record<string, string | number | undefined>>;
};

/** Takes a line. Never throws. */
export type Log = (line: Line) => void;

/** What the contract allows. */
const maxMessageBytes = 8192;
const maxValueBytes = 1024;

export const levelOf = (level: LogLevel): Level => levels[Math.max(0, level - LogLevel.DEBUG)] ?? 'fatal';
export const numberOf = (level: Level): LogLevel => (LogLevel.DEBUG + levels.indexOf(level)) as LogLevel;

/** Whether a line of this level is to be sent when lines from `least` on are. */
export const isAtLeast = (level: LogLevel, least: Level): boolean => level >= numberOf(least);

export type LogOptions = {
  now: () => number;
  /** Takes out what must not be in any log. */
  redact: (entry: LogEntry) => LogEntry;
  /** Writes one line of text, as the process's output. */
  write: (text: string) => void;
  /** Keeps the line and sends it. */
  keep: (entry: LogEntry) => void;
  /** Lines below it are not written to the output; they are kept all the same. */
  least: Level;
};

/** A log whose output is one JSON object a line. */
export function createLog({ now, redact, write, keep, least }: LogOptions): Log {
  return ({ level, component, message, about = {} }) => {
    const timeMs = now();
    const attributes = Object.fromEntries(
      Object.entries(about)
        .filter(([, value]) => value !== undefined && value !== '')
        .map(([name, value]) => [name, cut(String(value), maxValueBytes)]),
    );
    const entry = redact(
      create(LogEntrySchema, {
        time: timestampFromMs(timeMs),
        level: numberOf(level),
        component: `agent.${component}`,
        message: cut(message, maxMessageBytes) || '-',
        attributes,
      }),
    );
    if (levels.indexOf(level) >= levels.indexOf(least)) {
      const time = new Date(timeMs).toISOString();
      const line = { time, level, component: entry.component, message: entry.message, ...entry.attributes };
      write(`${JSON.stringify(line)}\n`);
    }
    keep(entry);
  };
}

/** At most `maxBytes` of UTF-8, without half a character at the end. */
export function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true });
}
