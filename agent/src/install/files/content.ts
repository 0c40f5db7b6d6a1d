/** Copies contents and proves, on the copy, that every byte is the one that the manifest names. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, chown, copyFile, open } from 'node:fs/promises';
import type { File } from '@iotdh/proto/update/v1';
import { codeOf } from '../durable.ts';

export const hexOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/** A content that is not there, or is not what its name says. Nothing was changed. */
export class BadContent extends Error {}

const pieceBytes = 256 * 1024;

/** SHA-256 of a file, in lower-case hex. Read piece by piece into one buffer: a stream's own are let go far too late. */
export async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(pieceBytes);
  const file = await open(path, 'r');
  try {
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

export type Owner = { uid: number; gid: number };

/**
 * Copies a file's content to where it is staged, flushes it and checks its digest there. `owner`: whose it will be, if the
 * agent may give files away; null leaves it the agent's. Throws a BadContent, or the file system's error.
 */
export async function stageContent(
  file: File,
  content: string,
  to: string,
  owner: Owner | null,
  signal: AbortSignal,
): Promise<void> {
  try {
    await copyFile(content, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new BadContent(`the content of ${file.path} is not on disk`, { cause: error });
  }
  await chmod(to, file.mode === 0 ? 0o644 : file.mode & 0o777);
  if (owner !== null) await chown(to, owner.uid, owner.gid);
  const handle = await open(to, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  if ((await digestOf(to, signal)) !== hexOf(file.digest)) {
    throw new BadContent(`the content of ${file.path} is not what its digest says`);
  }
}
