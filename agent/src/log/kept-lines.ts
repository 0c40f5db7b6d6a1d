/** The log on disk, for a collection: files of JSON lines, the oldest of which goes when there is too much. */
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema } from '@iotdh/proto/agent/v1';
import { makePrivateFolder } from '../durable/document.ts';

export type KeptLines = {
  /** Throws when the disk does not let us. */
  append(entries: readonly LogEntry[]): void;
  /** From the newest to the oldest. What a crash has cut is left out. */
  newestFirst(): Generator<LogEntry, void, undefined>;
};

/** The log is kept in so many files, so that a fraction of it goes at a time. */
const fileCount = 8;
const namePattern = /^lines-(\d{10})\.jsonl$/;

export function openKeptLines(folder: string, { maxBytes }: { maxBytes: number }): KeptLines {
  makePrivateFolder(folder);
  const nameOf = (number: number) => join(folder, `lines-${String(number).padStart(10, '0')}.jsonl`);
  const numbers = () =>
    readdirSync(folder)
      .map((name) => Number(namePattern.exec(name)?.[1] ?? Number.NaN))
      .filter(Number.isInteger)
      .sort((one, other) => one - other);
  let number = numbers().at(-1) ?? 1;
  let bytes = existsSync(nameOf(number)) ? statSync(nameOf(number)).size : 0;
  let perhapsCut = bytes > 0;

  return {
    append(entries) {
      const lines = entries.map((entry) => `${toJsonString(LogEntrySchema, entry)}\n`).join('');
      // A line that a crash has cut ends where the next one begins.
      const text = perhapsCut ? `\n${lines}` : lines;
      // A full disk may take a part of it.
      perhapsCut = true;
      appendFileSync(nameOf(number), text, { mode: 0o600 });
      perhapsCut = false;
      bytes += Buffer.byteLength(text);
      if (bytes < maxBytes / fileCount) return;
      number += 1;
      bytes = 0;
      for (const old of numbers()) if (old <= number - fileCount) rmSync(nameOf(old), { force: true });
    },
    *newestFirst() {
      for (const each of numbers().reverse()) {
        const lines = readFileSync(nameOf(each), 'utf8').split('\n');
        for (const line of lines.reverse()) {
          const entry = line === '' ? null : parse(line);
          if (entry !== null) yield entry;
        }
      }
    },
  };
}

function parse(line: string): LogEntry | null {
  try {
    return fromJsonString(LogEntrySchema, line, { ignoreUnknownFields: true });
  } catch {
    return null;
  }
}
