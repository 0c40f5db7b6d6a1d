/**
 * The names of boot loader entries with a boot counter: `ID.conf`, `ID+LEFT.conf`, `ID+LEFT-DONE.conf` (Boot Loader
 * Specification, "Boot counting"; systemd's "Automatic Boot Assessment").
 */

export type EntryName = {
  /** Without the counter and `.conf`. */
  id: string;
  /** How often it may still be started; null: it has no counter. */
  triesLeft: number | null;
  triesDone: number;
};

const pattern = /^(?<id>.+?)(?:\+(?<left>\d{1,9})(?:-(?<done>\d{1,9}))?)?\.conf$/;

/** Null: not the name of an entry. FAT keeps the case of names and does not mind it. */
export function parseEntryName(file: string): EntryName | null {
  const { id, left, done } = pattern.exec(file.toLowerCase())?.groups ?? {};
  if (id === undefined) return null;
  return { id, triesLeft: left === undefined ? null : Number(left), triesDone: Number(done ?? 0) };
}

export function entryFile(id: string, triesLeft: number | null): string {
  return triesLeft === null ? `${id}.conf` : `${id}+${triesLeft}.conf`;
}
