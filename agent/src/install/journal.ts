/**
 * A job's journal: one file of records, appended and flushed one at a time. Its room is taken when it begins, so that a full
 * disk does not keep a half-applied job from being undone.
 */
import { closeSync, existsSync, fdatasyncSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { JsonValue } from '@bufbuild/protobuf';
import { move } from './durable.ts';
import type { Place } from './files/place.ts';

/** Version 1. Step keys are those of `plan.ts`. Outcomes are `iotdh.bus.v1.StepOutcome` in JSON. */
export type Entry =
  /** First. Where each component with files has its place, by the component's id. */
  | { kind: 'began'; version: 1; id: string; components: string[]; places: Record<string, Place> }
  | { kind: 'step_began'; step: string; time: number; bootId?: string }
  /** The agent was stopped in the middle: the beginning does not count. */
  | { kind: 'step_stopped'; step: string }
  | { kind: 'step_ended'; step: string; ok: boolean; outcome: JsonValue }
  /** From here on it is undone, whatever happens. */
  | { kind: 'undo'; reason: string }
  /** From here on it stays, whatever happens. */
  | { kind: 'commit' }
  /** Last. */
  | { kind: 'ended'; applied: boolean; reason: string; takenBack: boolean };

export type Journal = {
  readonly entries: readonly Entry[];
  /** On disk when it returns. */
  append(entry: Entry): void;
  close(): void;
};

const nameIn = (folder: string) => join(folder, 'journal');
/** What one record may take: an outcome with 4 KiB of output, escaped, and 1,000 characters of detail. */
const bytesPerRecord = 12 * 1024;

/** Whether there is a journal in the folder. */
export function hasJournal(folder: string): boolean {
  return existsSync(nameIn(folder));
}

/** Begins a journal with room for so many records. Throws when there is none on disk, with nothing begun. */
export async function beginJournal(folder: string, first: Entry, maxRecords: number): Promise<Journal> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const making = `${nameIn(folder)}.making`;
  const descriptor = openSync(making, 'w', 0o600);
  try {
    const room = Buffer.alloc(64 * 1024);
    for (let bytes = maxRecords * bytesPerRecord; bytes > 0; bytes -= room.length)
      writeSync(descriptor, room);
    const line = lineOf(first);
    writeSync(descriptor, line, 0, line.length, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  await move(making, nameIn(folder));
  return openJournal(folder);
}

/** Opens the journal in a folder. A record that was torn by a power cut was never acted on and is passed over. */
export function openJournal(folder: string): Journal {
  const path = nameIn(folder);
  const bytes = readFileSync(path);
  const entries: Entry[] = [];
  let position = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, position);
    const entry = end < 0 ? null : parse(bytes.subarray(position, end).toString('utf8'));
    if (entry === null) break;
    entries.push(entry);
    position = end + 1;
  }
  if (entries[0]?.kind !== 'began') throw new Error(`${path} is damaged: its first record cannot be read`);
  const rest = bytes.subarray(position).toString('utf8').split('\n').slice(1);
  if (rest.some((line) => parse(line) !== null)) {
    throw new Error(`${path} is damaged: record ${entries.length} cannot be read, and later ones can`);
  }
  const descriptor = openSync(path, 'r+');
  return {
    entries,
    append(entry) {
      const line = lineOf(entry);
      for (let written = 0; written < line.length; ) {
        written += writeSync(descriptor, line, written, line.length - written, position + written);
      }
      fdatasyncSync(descriptor);
      position += line.length;
      entries.push(entry);
    },
    close: () => closeSync(descriptor),
  };
}

/** The checksum tells a whole record from a torn one. */
function lineOf(entry: Entry): Buffer {
  const json = JSON.stringify(entry);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

function parse(line: string): Entry | null {
  const json = line.slice(9);
  if (line[8] !== ' ' || crc32(json).toString(16).padStart(8, '0') !== line.slice(0, 8)) return null;
  return JSON.parse(json) as Entry;
}
