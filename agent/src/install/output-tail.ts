/** Keeps the end of a process's output, within a limit, and counts what it drops. */

/** The most that a report carries of one step's output, in bytes (`StepOutcome.output_tail`). */
export const maxReportedBytes = 4096;

export type OutputTail = {
  add(bytes: Uint8Array): void;
  /** The end as text, redacted, of at most 4 KiB; if something was dropped, its first line says how much. */
  text(): string;
  /** Everything that is kept, as it came. */
  whole(): string;
};

/** `maxBytes`: how much of the end is kept. `redact` sees all of that. */
export function createOutputTail(maxBytes: number, redact: (text: string) => string): OutputTail {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let allBytes = 0;

  function shrink(): void {
    const whole = Buffer.concat(kept);
    kept = [Buffer.from(whole.subarray(Math.max(0, whole.length - maxBytes)))];
    keptBytes = kept[0]?.length ?? 0;
  }

  return {
    add(bytes) {
      allBytes += bytes.length;
      const end = bytes.subarray(Math.max(0, bytes.length - maxBytes));
      kept.push(Buffer.from(end));
      keptBytes += end.length;
      if (keptBytes > 2 * maxBytes) shrink();
    },
    whole() {
      shrink();
      return Buffer.concat(kept).toString('utf8');
    },
    text() {
      shrink();
      const clean = redact(Buffer.concat(kept).toString('utf8').replaceAll('\0', ''));
      if (allBytes === keptBytes && Buffer.byteLength(clean) <= maxReportedBytes) return clean;
      const note = (bytes: number) => `[${bytes} bytes before this are left out]\n`;
      const tail = lastBytes(clean, maxReportedBytes - note(allBytes).length);
      return note(Math.max(0, allBytes - Buffer.byteLength(tail))) + tail;
    },
  };
}

/** The longest end of a text that has at most so many bytes in UTF-8. */
export function lastBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  let start = Math.max(0, bytes.length - maxBytes);
  // A byte 10xxxxxx goes on with a character that began before (RFC 3629 section 3).
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}
