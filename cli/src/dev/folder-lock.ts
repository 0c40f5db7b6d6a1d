/** One environment a folder: who runs it is written there, in a way that tells a process from a later one with its number. */
import { readFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export type Owner = {
  pid: number /** When the process began, in the system's own count. Empty: not known here. */;
  began: string;
};

const lockFile = 'lock';

/** Linux counts the ticks since boot at which a process began: proc(5), field 22 of stat. */
export function beganOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name, in brackets, and may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether that very process is still there. */
export function isAlive({ pid, began }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return began === '' || beganOf(pid) === began;
}

/** Who runs the environment of a folder; undefined when nobody does. */
export async function ownerOf(folder: string): Promise<Owner | undefined> {
  const text = await readFile(join(folder, lockFile), 'utf8').catch(() => '');
  try {
    const { pid, began } = JSON.parse(text) as Partial<Owner>;
    const owner = typeof pid === 'number' && typeof began === 'string' ? { pid, began } : undefined;
    return owner !== undefined && isAlive(owner) ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a lock is there whose owner is not. */
export async function hasStaleLock(folder: string): Promise<boolean> {
  const there = await readFile(join(folder, lockFile), 'utf8').then(
    () => true,
    () => false,
  );
  return there && (await ownerOf(folder)) === undefined;
}

/** Takes the folder for this process; throws when another has it. Answers with what gives it back. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockFile);
  const owner: Owner = { pid: process.pid, began: beganOf(process.pid) };
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(JSON.stringify(owner));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = await ownerOf(folder);
    if (other !== undefined) {
      throw new Error(`the environment in ${folder} is run already, by process ${other.pid}`);
    }
    await rm(path, { force: true });
  }
}
