/** Opens files of a bundle: plain files of the length that they must have, and nothing that only looks like one. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

export type Opened =
  | { kind: 'opened'; file: FileHandle }
  /** `reason` says what is wrong with the file, without its name. */
  | { kind: 'refused'; reason: string };

/** No link is followed, and nothing waits for the other end of a pipe. Windows has neither flag, and no such links without rights. */
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is missing',
  ENOTDIR: 'is missing',
  ELOOP: 'is a link, and links are not followed',
  EACCES: 'may not be read by the agent',
  EPERM: 'may not be read by the agent',
};

/** `size`: how long it must be, or how long at most. */
export async function openBundleFile(path: string, size: number | { max: number }): Promise<Opened> {
  let file: FileHandle;
  try {
    file = await open(path, flags);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { kind: 'refused', reason: reasons[code] ?? `cannot be read (${code})` };
  }
  const refuse = async (reason: string): Promise<Opened> => {
    await file.close();
    return { kind: 'refused', reason };
  };
  const found = await file.stat();
  if (!found.isFile()) return refuse('is no plain file');
  if (typeof size === 'number') {
    if (found.size < size) return refuse(`is cut short: ${found.size} bytes of ${size}`);
    if (found.size > size) return refuse(`is too long: ${found.size} bytes instead of ${size}`);
  } else if (found.size > size.max) return refuse(`is too long: ${found.size} bytes, at most ${size.max}`);
  return { kind: 'opened', file };
}
