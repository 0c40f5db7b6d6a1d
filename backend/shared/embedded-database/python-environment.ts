/** Private Python environments that hold exactly the packages of a requirements file, made on demand and once. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/** What is made once, where and how. */
type Environment = {
  folder: string;
  signal: AbortSignal | undefined;
  /** Fills an empty place. */
  make(folder: string): Promise<void>;
};

/** Makes it unless it is there. One whose making was cut short is made anew; of several processes one makes it and the others wait. */
async function madeOnce({ folder, signal, make }: Environment): Promise<string> {
  const complete = join(folder, 'complete');
  const lock = `${folder}.lock`;
  const deadline = Date.now() + longestWaitMs;
  while (!(await exists(complete))) {
    signal?.throwIfAborted();
    await mkdir(dirname(folder), { recursive: true });
    if (await tryLock(lock)) {
      try {
        if (await exists(complete)) continue;
        await rm(folder, { recursive: true, force: true });
        await make(folder);
        await writeFile(complete, '');
      } finally {
        await rm(lock, { force: true });
      }
    } else {
      if (Date.now() > deadline) throw new Error(`somebody has been making ${folder} for too long`);
      if (!(await heldBySomebody(lock))) await rm(lock, { force: true });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  return join(folder, 'bin', 'python');
}

/** For this machine's Python as it is now, and for what is to be in it. */
async function keyOf(...content: Buffer[]): Promise<string> {
  const { stdout: version } = await run('python3', ['-c', 'import sys; print(sys.version)']);
  const hash = createHash('sha256').update(version);
  for (const part of content) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

/**
 * The path of a Python that has pip. Debian's comes without, but its venv brings one; that takes longer than most of what pip then
 * does, so one environment has it for all. Throws when python3 with venv is missing.
 */
export async function pythonWithPip(
  options: Pick<PythonEnvironmentOptions, 'folder' | 'signal'>,
): Promise<string> {
  const { signal } = options;
  return madeOnce({
    folder: join(options.folder, `pip-${await keyOf()}`),
    signal,
    async make(folder) {
      await run('python3', ['-m', 'venv', folder], { signal });
    },
  });
}

/** The path of the environment's Python. Throws when python3 with venv or the registry is missing. */
export async function pythonEnvironment(options: PythonEnvironmentOptions): Promise<string> {
  const { name, requirements, onMake = () => {}, signal } = options;
  return madeOnce({
    folder: join(options.folder, `${name}-${await keyOf(await readFile(requirements))}`),
    signal,
    async make(folder) {
      onMake();
      const python = await pythonWithPip(options);
      await run('python3', ['-m', 'venv', '--without-pip', folder], { signal });
      const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
      const exactly = ['--only-binary', ':all:', '--require-hashes', '-r', requirements];
      // Most of it is never loaded: Python compiles what is.
      const where = ['--prefix', folder, '--ignore-installed', '--no-compile'];
      await run(python, ['-m', 'pip', 'install', ...quiet, ...where, ...exactly], { signal });
    },
  });
}
