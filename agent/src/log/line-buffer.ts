/** Lines of the agent's own log on their way to the spool: gathered, so that a line does not cost a write of its own. */
import type { LogEntry } from '@iotdh/proto/agent/v1';

export type LineBuffer = {
  add(entry: LogEntry): void;
  /** Hands on what has gathered. */
  flush(): void;
};

export type LineBufferOptions = {
  /** Keeps the lines, or does not when there is no room; throws when the disk fails. */
  keep: (entries: readonly LogEntry[]) => void;
  after: (ms: number, callback: () => void) => () => void;
  onFailure: (error: unknown) => void;
};

const gatherMs = 200;
/** More lines than this in one moment are a loop, and only the first of them tell anything. */
const maxLines = 500;

export function createLineBuffer({ keep, after, onFailure }: LineBufferOptions): LineBuffer {
  let lines: LogEntry[] = [];
  let cancel: (() => void) | null = null;

  function flush(): void {
    cancel?.();
    cancel = null;
    const gathered = lines;
    lines = [];
    if (gathered.length === 0) return;
    try {
      keep(gathered);
    } catch (error) {
      onFailure(error);
    }
  }

  return {
    add(entry) {
      if (lines.length < maxLines) lines.push(entry);
      cancel ??= after(gatherMs, flush);
    },
    flush,
  };
}
