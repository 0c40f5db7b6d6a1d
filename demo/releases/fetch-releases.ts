/**
 * The releases that the demo installs: wheels from PyPI, fetched once and kept, and held to their hashes each time. A wheel is
 * a zip file; what is in it runs without Python.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pythonWithPip } from '../../backend/shared/embedded-database/python-environment.ts';
import type { Run } from '../run.ts';
import { type Age, type Requirement, readRequirements, requirementsPath } from './requirements.ts';

/** One program of a release: its version, and the wheel that it is in. */
export type Wheel = { version: string; path: string };

export type Release = { dcm2niix: Wheel; itkIo: Wheel };

export type FetchOptions = {
  /** Where the wheels are kept. */
  folder: string;
  /** Where a private Python environment may be made. */
  environmentFolder: string;
  /** As Node.js calls it: `x64` or `arm64`. Others have no wheels here. */
  architecture: string;
  run: Run;
  signal: AbortSignal;
  /** Told once before something is downloaded. */
  onDownload(age: Age): void;
};

const machines: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** Both releases, complete and with the right hashes. Throws when they are neither here nor to be had. */
export async function fetchReleases(options: FetchOptions): Promise<Record<Age, Release>> {
  const machine = machines[options.architecture];
  if (process.platform !== 'linux' || machine === undefined) {
    throw new Error(
      `The demo installs programs for Linux on x64 and arm64; this is ${process.platform} on ${options.architecture}`,
    );
  }
  const older = await fetchRelease('older', machine, options);
  return { older, newer: await fetchRelease('newer', machine, options) };
}

async function fetchRelease(age: Age, machine: string, options: FetchOptions): Promise<Release> {
  const requirements = await readRequirements(age);
  const folder = join(options.folder, `${age}-${machine}`);
  const wheels = (await wheelsIn(folder, requirements)) ?? (await download(age, machine, folder, options));
  const wheelOf = (name: string): Wheel => {
    const { version } = requirements.find((requirement) => requirement.name === name)!;
    return { version, path: wheels.get(name)! };
  };
  return { dcm2niix: wheelOf('dcm2niix'), itkIo: wheelOf('itk-io') };
}

async function download(age: Age, machine: string, folder: string, options: FetchOptions) {
  options.onDownload(age);
  await mkdir(options.folder, { recursive: true });
  const fresh = await mkdtemp(join(options.folder, '.fetching-'));
  try {
    const python = await pythonWithPip({ folder: options.environmentFolder, signal: options.signal });
    const tags = ['manylinux2014', 'manylinux_2_28'].flatMap((tag) => ['--platform', `${tag}_${machine}`]);
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
    const exact = ['--no-deps', '--only-binary=:all:', '--require-hashes'];
    const forWhom = ['--implementation', 'cp', '--python-version', '3.11', '--abi', 'abi3', ...tags];
    const args = ['-m', 'pip', 'download', ...quiet, ...exact, ...forWhom];
    await options.run(python, [...args, '--dest', fresh, '--requirement', requirementsPath(age)]);
    // Another demo may have put it there meanwhile; then these are the same bytes again.
    await rm(folder, { recursive: true, force: true });
    await rename(fresh, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  const wheels = await wheelsIn(folder, await readRequirements(age));
  if (wheels === null) throw new Error(`pip has put other files into ${folder} than those of ${age}.txt`);
  return wheels;
}

/** The wheel of each requirement by its name; null when one is missing or is not what its hash says. */
async function wheelsIn(folder: string, requirements: Requirement[]): Promise<Map<string, string> | null> {
  const there = await access(folder).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const digests = new Map(
    await Promise.all(paths.map(async (path) => [await digestOf(path), path] as const)),
  );
  const wheels = new Map<string, string>();
  for (const { name, digests: accepted } of requirements) {
    const digest = accepted.find((candidate) => digests.has(candidate));
    if (digest === undefined) return null;
    wheels.set(name, digests.get(digest)!);
  }
  return wheels;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
