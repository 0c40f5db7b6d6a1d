/** How far a transfer is, on stderr: a bar that is drawn over where somebody watches, a line for each quarter elsewhere. */
import { megabytes } from './words.ts';

export type Terminal = { isTTY?: boolean; columns?: number; write(text: string): unknown };

export type ProgressBar = {
  draw(receivedBytes: number, totalBytes: number): void;
  /** Takes the bar off the screen, so that a line can be written; the next `draw` brings it back. */
  clear(): void;
  /** Forgets the transfer. */
  end(): void;
};

const barCells = 30;
const toLineStart = '\r\x1b[K';

export function createProgressBar(terminal: Terminal, nowMs: () => number): ProgressBar {
  let beganMs: number | undefined;
  let firstBytes = 0;
  let quarter = 0;
  let isDrawn = false;

  function text(receivedBytes: number, totalBytes: number): string {
    const share = Math.min(1, receivedBytes / totalBytes);
    const full = Math.round(share * barCells);
    const seconds = (nowMs() - (beganMs ?? 0)) / 1000;
    const rate = seconds > 0.2 ? `  ${megabytes((receivedBytes - firstBytes) / seconds)}/s` : '';
    const bar = '█'.repeat(full) + '░'.repeat(barCells - full);
    return `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${megabytes(receivedBytes)} of ${megabytes(totalBytes)}${rate}`;
  }

  const bar: ProgressBar = {
    draw(receivedBytes, totalBytes) {
      if (totalBytes === 0) return;
      if (beganMs === undefined) {
        beganMs = nowMs();
        firstBytes = receivedBytes;
      }
      if (terminal.isTTY === true) {
        terminal.write(`${toLineStart}            ${text(receivedBytes, totalBytes)}`);
        isDrawn = true;
        return;
      }
      const reached = Math.floor((receivedBytes / totalBytes) * 4);
      if (reached > quarter) terminal.write(`            ${text(receivedBytes, totalBytes)}\n`);
      quarter = Math.max(quarter, reached);
    },
    clear() {
      if (isDrawn) terminal.write(toLineStart);
      isDrawn = false;
    },
    end() {
      bar.clear();
      beganMs = undefined;
      quarter = 0;
    },
  };
  return bar;
}
