/** The passphrase of a key: from a file or typed, never from a command line or the environment. */
import { readFile, stat } from 'node:fs/promises';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const maxBytes = 1_024;
const minLength = 12;

/** The first line of the file, or what a person types. */
export async function readPassphrase(
  terminal: Terminal,
  { file, question }: { file: string | undefined; question: string },
): Promise<string> {
  const found = file === undefined ? await terminal.askSecret(question) : await lineOf(file);
  if (found !== null && found !== '') return found;
  throw new Failure(exitCode.usage, 'a passphrase is needed, and nobody is there to type it', {
    next: 'Give a file that holds it: --passphrase-file FILE',
  });
}

/** The same for a new key: typed twice, and not too short. */
export async function chooseNew(terminal: Terminal, file: string | undefined): Promise<string> {
  const chosen = await readPassphrase(terminal, { file, question: 'A passphrase for the new keys: ' });
  if (chosen.length < minLength) {
    throw new Failure(exitCode.usage, `the passphrase has fewer than ${minLength} characters`);
  }
  if (file === undefined && (await terminal.askSecret('Again: ')) !== chosen) {
    throw new Failure(exitCode.usage, 'the passphrases differ');
  }
  return chosen;
}

async function lineOf(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > maxBytes) throw new Error('it is too long');
    return (await readFile(file, 'utf8')).split('\n')[0]?.trimEnd() ?? '';
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Failure(exitCode.usage, `the passphrase cannot be read from ${file}: ${why}`, { cause });
  }
}
