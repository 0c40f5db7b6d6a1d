/**
 * Who may operate: static bearer tokens from a file that only the service can read, one JSON object `{ "name", "token" }` a
 * line. The name is what the records say of who did it.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';

export type Operator = { name: string };

export type Operators = {
  /** Whom this `authorization` header proves; null: nobody. Takes as long whatever it carries. */
  authenticate(header: string | null): Operator | null;
};

export type OperatorToken = { name: string; token: string };

const maxFileBytes = 1024 * 1024;
const minTokenLength = 32;
const tokenPattern = /^[A-Za-z0-9_-]+$/;
const maxNameLength = 128;

export function createOperators(tokens: readonly OperatorToken[]): Operators {
  const known = tokens.map(({ name, token }) => ({ name, digest: digestOf(token) }));
  return {
    authenticate(header) {
      const given = digestOf(/^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '');
      let found: Operator | null = null;
      for (const { name, digest } of known) if (timingSafeEqual(given, digest)) found = { name };
      return found;
    },
  };
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Reads the file. Throws, without repeating a token, when it is readable by others or holds anything else. */
export function readOperatorTokens(path: string): OperatorToken[] {
  const { mode, size } = statSync(path);
  if (size > maxFileBytes) throw new Error(`${path} is too long for a list of operators`);
  // Windows has no such bits.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new Error(`${path} can be read by other users; run chmod 600 on it`);
  }
  const lines = readFileSync(path, 'utf8').split('\n');
  const tokens = lines.flatMap((line, index) => (line.trim() === '' ? [] : [tokenOf(line, path, index + 1)]));
  if (tokens.length === 0) throw new Error(`${path} names no operator`);
  return tokens;
}

function tokenOf(line: string, path: string, number: number): OperatorToken {
  const problem = new Error(
    `line ${number} of ${path} is not {"name", "token"} with a token of at least ${minTokenLength} letters and digits`,
  );
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw problem;
  }
  const { name, token } = (value ?? {}) as Partial<Record<keyof OperatorToken, unknown>>;
  if (typeof name !== 'string' || name === '' || name.length > maxNameLength) throw problem;
  if (typeof token !== 'string' || token.length < minTokenLength || !tokenPattern.test(token)) throw problem;
  return { name, token };
}

/** Makes the file with one operator and a new token, readable by its owner alone. An existing file is left as it is. */
export function makeOperatorFile(path: string, name: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw error;
  }
  try {
    const token = randomBytes(32).toString('base64url');
    writeFileSync(descriptor, `${JSON.stringify({ name, token })}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
