/** Asks the person at the terminal before something that is hard to take back. */
import { createInterface } from 'node:readline/promises';
import type { Terminal } from './terminal.ts';

/** Whether the answer is yes. No when nobody is there to ask. */
export async function confirmed(terminal: Terminal, what: string): Promise<boolean> {
  if (!terminal.noteIsTty || process.stdin.isTTY !== true) return false;
  const question = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await question.question(`${what} [y/N] `, { signal: terminal.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    question.close();
  }
}
