/** A private Python environment that holds exactly the packages of a requirements file, made on demand and once. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type PythonEnvironmentOptions = {
  /** Where environments are kept. */
  folder: string;
  /** The first part of its name. */
  name: string;
  /** Pinned and hashed. */
  requirements: string;
  /** Told when it has to be made, which takes a while and needs the package registry. */
  onMake?: () => void;
  /** Ends the making of it. */
  signal?: AbortSignal | undefined;
};

const waitMs = 200;
const longestWaitMs = 5 * 60_000;

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether the process that took the lock is still there. */
async function heldBySomebody(lock: string): Promise<boolean> {
  const pid = Number(await readFile(lock, 'utf8').catch(() => ''));
  // Empty: taken a moment ago, its number is still to come.
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function tryLock(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

async function make(folder: string, requirements: string, signal: AbortSignal | undefined): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', folder], { signal });
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
  const exactly = ['--only-binary', ':all:', '--require-hashes', '-r', requirements];
  await run(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...quiet, ...exactly], { signal });
  await writeFile(join(folder, 'complete'), '');
}

/**
 * The path of the environment's Python. One whose making was cut short is made anew; of several processes that need it at once
 * one makes it and the others wait. Throws when python3 with venv or the registry is missing.
 */
export async function pythonEnvironment(options: PythonEnvironmentOptions): Promise<string> {
  const { name, requirements, onMake = () => {}, signal } = options;
  const { stdout: version } = await run('python3', ['-c', 'import sys; print(sys.version)']);
  const key = createHash('sha256')
    .update(version)
    .update(await readFile(requirements))
    .digest('hex');
  const folder = join(options.folder, `${name}-${key.slice(0, 16)}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  const lock = `${folder}.lock`;
  const deadline = Date.now() + longestWaitMs;
  while (!(await exists(complete))) {
    signal?.throwIfAborted();
    await mkdir(options.folder, { recursive: true });
    if (await tryLock(lock)) {
      try {
        if (await exists(complete)) continue;
        onMake();
        await make(folder, requirements, signal);
      } finally {
        await rm(lock, { force: true });
      }
    } else {
      if (Date.now() > deadline) throw new Error(`somebody has been making ${folder} for too long`);
      if (!(await heldBySomebody(lock))) await rm(lock, { force: true });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  return python;
}
