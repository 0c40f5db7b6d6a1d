/**
 * The secret of this installation. Whoever can read its file may speak to the agent over loopback; on a Unix socket the
 * file system already says who may connect.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';

/** 32 random bytes in base64url. */
const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

/**
 * The token in the file at `path`; at the first run it is made there, readable by the agent's user alone. An existing
 * file's permissions are the site's business. Throws when the file holds anything else.
 */
export function openToken(path: string): string {
  const kept = read(path);
  if (kept !== null) return check(path, kept);
  const token = randomBytes(32).toString('base64url');
  const making = `${path}.${process.pid}.making`;
  try {
    rmSync(making, { force: true });
    const descriptor = openSync(making, 'wx', 0o600);
    try {
      writeSync(descriptor, `${token}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    chmodSync(making, 0o600);
    // Unlike a rename, a link never replaces the token that another process has just made.
    linkSync(making, path);
    return token;
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    return check(path, read(path) ?? '');
  } finally {
    rmSync(making, { force: true });
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function check(path: string, token: string): string {
  if (tokenPattern.test(token)) return token;
  throw new Error(`${path} holds no token; remove it, and the agent makes a new one`);
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** Whether this `authorization` header carries the token. Takes as long whatever it carries. */
export function bears(header: string | null, token: string): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
