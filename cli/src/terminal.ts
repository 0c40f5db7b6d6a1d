/** What a command has of the process that runs it, passed in so that nothing else touches the process. */
import { setTimeout } from 'node:timers/promises';
import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export type Terminal = {
  /** To stdout: the answer, and nothing else. */
  out(text: string): void;
  /** A line to stderr: what goes on. */
  note(line: string): void;
  /** Raw text to stderr, for a line that is drawn again. */
  draw(text: string): void;
  /** Whether a person reads stdout. */
  readonly outIsTty: boolean;
  /** Whether a person reads stderr. */
  readonly noteIsTty: boolean;
  /** Columns of stderr. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts with Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  now(): Date;
  /** Rejects when `signal`, by default that of the terminal, aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** Coloured when a person reads stdout, or stderr; NO_COLOR and FORCE_COLOR decide otherwise. */
  style(style: Style, text: string, stream?: 'out' | 'note'): string;
};

export function createTerminal(
  process: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'env' | 'cwd'>,
  signal: AbortSignal,
): Terminal {
  const { stdout, stderr, env } = process;
  return {
    out: (text) => void stdout.write(text),
    note: (line) => void stderr.write(`${line}\n`),
    draw: (text) => void stderr.write(text),
    outIsTty: stdout.isTTY === true,
    noteIsTty: stderr.isTTY === true,
    // A terminal of unknown size says 0.
    columns: stderr.columns || 80,
    env,
    cwd: process.cwd(),
    signal,
    now: () => new Date(),
    wait: (ms, until = signal) => setTimeout(ms, undefined, { signal: until }),
    style: (style, text, stream = 'out') =>
      styleText(style, text, { stream: stream === 'out' ? stdout : stderr }),
  };
}
