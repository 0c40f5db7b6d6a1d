/** What a command has of the process that runs it, passed in so that nothing else touches the process. */
import { on } from 'node:events';
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
  /** Asks a person for something that is not shown while it is typed. Null: nobody is there to ask. */
  askSecret(question: string): Promise<string | null>;
  now(): Date;
  /** Rejects when `signal`, by default that of the terminal, aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** Coloured when a person reads stdout, or stderr; NO_COLOR and FORCE_COLOR decide otherwise. */
  style(style: Style, text: string, stream?: 'out' | 'note'): string;
};

export function createTerminal(
  process: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr' | 'env' | 'cwd'>,
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
    askSecret: (question) => askHidden(process, question, signal),
    now: () => new Date(),
    wait: (ms, until = signal) => setTimeout(ms, undefined, { signal: until }),
    style: (style, text, stream = 'out') =>
      styleText(style, text, { stream: stream === 'out' ? stdout : stderr }),
  };
}

/** Raw mode, so that the terminal itself does not write what is typed (termios(3), ECHO). */
async function askHidden(
  { stdin, stderr }: Pick<NodeJS.Process, 'stdin' | 'stderr'>,
  question: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (!stdin.isTTY) return null;
  stderr.write(question);
  stdin.setRawMode(true);
  let typed = '';
  try {
    for await (const chunk of on(stdin, 'data', { signal })) {
      for (const character of String(chunk[0])) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\u0003') throw new DOMException('interrupted', 'AbortError');
        typed = character === '\u007f' ? typed.slice(0, -1) : typed + character;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
