/** How the demo tells what it does: chapters, lines with the time since the first of them, and one question at a time. */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import { createProgressBar, type ProgressBar, type Terminal } from './progress-bar.ts';
import { seconds } from './words.ts';

/** Whose view a line is. */
export type Narrator = 'workstation' | 'operator' | 'person' | 'machine';

export type Screen = {
  chapter(title: string): void;
  say(line?: string): void;
  /** A line with the time since the first chapter and whose view it is. */
  event(narrator: Narrator, text: string): void;
  /** A command as somebody would type it. */
  command(text: string): void;
  /** Does something and tells that it is done and how long it took. */
  timed<T>(what: string, action: () => Promise<T>): Promise<T>;
  readonly bar: ProgressBar;
  /** Resolves to what was typed. Throws the signal's reason. */
  ask(question: string, signal: AbortSignal): Promise<string>;
};

export type ScreenOptions = {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: Terminal;
  nowMs: () => number;
};

type Format = Parameters<typeof styleText>[0];

const colours: Readonly<Record<Narrator, Format>> = {
  workstation: 'cyan',
  operator: 'magenta',
  person: 'yellow',
  machine: 'blue',
};

/** Colours honour NO_COLOR and are left out where stdout is no terminal. */
export function createScreen({ stdin, stdout, stderr, nowMs }: ScreenOptions): Screen {
  let beganMs: number | undefined;
  const bar = createProgressBar(stderr, nowMs);
  const paint = (format: Format, text: string) => styleText(format, text, { stream: stdout });
  let chapters = 0;
  /** What waits while a person is asked; null: nobody is. */
  let held: string[] | null = null;

  function line(text: string): void {
    if (held !== null) {
      held.push(text);
      return;
    }
    bar.clear();
    stdout.write(`${text}\n`);
  }

  return {
    bar,
    chapter(title) {
      // Set-up is before the first one, and not of the story.
      beganMs ??= nowMs();
      chapters += 1;
      line(`\n${paint('bold', `${chapters}  ${title}`)}`);
    },
    say: (text = '') => line(text === '' ? '' : `   ${text}`),
    event(narrator, text) {
      const time = seconds(nowMs() - (beganMs ?? nowMs())).padStart(8);
      line(`${paint('dim', time)}  ${paint(colours[narrator], narrator.padEnd(11))}  ${text}`);
    },
    command: (text) => line(`   ${paint('dim', '$')} ${text}`),
    async timed(what, action) {
      const sinceMs = nowMs();
      const result = await action();
      line(`   ${paint('green', '✔')} ${what} ${paint('dim', `(${seconds(nowMs() - sinceMs)})`)}`);
      return result;
    },
    async ask(question, signal) {
      bar.clear();
      held = [];
      const lines = createInterface({ input: stdin, output: stdout, terminal: false });
      try {
        return await lines.question(`${paint('bold', question)} `, { signal });
      } finally {
        lines.close();
        const told = held;
        held = null;
        for (const text of told) line(text);
      }
    },
  };
}
