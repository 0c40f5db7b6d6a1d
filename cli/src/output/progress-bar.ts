/** A bar on one line of stderr, drawn again as it grows; gone when it ends. */
import { sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';

export type ProgressBar = {
  /** Draws at most ten times a second, and always the end. */
  update(doneBytes: number, totalBytes: number, label: string): void;
  /** Takes the line away. Idempotent. */
  clear(): void;
};

const intervalMs = 100;
const barColumns = 30;
const maxLabelColumns = 24;
/** Rates are over the last few seconds, so that they follow the link. */
const rateWindowMs = 5_000;

/** Draws nothing where no person reads stderr. */
export function createProgressBar(terminal: Terminal): ProgressBar {
  let drawnAt = 0;
  let drawn = false;
  let samples: { atMs: number; bytes: number }[] = [];
  return {
    update(doneBytes, totalBytes, label) {
      if (!terminal.noteIsTty || totalBytes === 0) return;
      const nowMs = terminal.now().getTime();
      if (nowMs - drawnAt < intervalMs && doneBytes < totalBytes) return;
      drawnAt = nowMs;
      samples = [
        ...samples.filter(({ atMs }) => nowMs - atMs < rateWindowMs),
        { atMs: nowMs, bytes: doneBytes },
      ];
      const share = Math.min(1, doneBytes / totalBytes);
      const filled = Math.round(share * barColumns);
      const bar =
        terminal.style('green', '━'.repeat(filled), 'note') +
        terminal.style('dim', '━'.repeat(barColumns - filled), 'note');
      const percent = `${Math.floor(share * 100)}`.padStart(3);
      const amount = `${sizeText(doneBytes)} of ${sizeText(totalBytes)}${rateText(samples)}`;
      const name = label.slice(0, maxLabelColumns);
      // A line that wraps is not drawn over: what does not fit is cut.
      const room = Math.max(0, terminal.columns - name.length - barColumns - 3);
      terminal.draw(`\r\u001b[K${name} ${bar} ${`${percent} %  ${amount}`.slice(0, room)}`);
      drawn = true;
    },
    clear() {
      if (drawn) terminal.draw('\r\u001b[K');
      drawn = false;
    },
  };
}

function rateText(samples: readonly { atMs: number; bytes: number }[]): string {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < 500) return '';
  const rate = ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1_000;
  return rate <= 0 ? '' : `, ${sizeText(rate)}/s`;
}
