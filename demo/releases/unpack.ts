/** Lays the programs of a release out as they are installed. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from '../run.ts';
import type { Release } from './fetch-releases.ts';

/** Extracts the entries whose names begin with one of the arguments after the first two. */
const extract = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = [name for name in wheel.namelist() if name.startswith(tuple(sys.argv[3:]))]
    wheel.extractall(sys.argv[2], names)
`;

/** Where dcm2niix is below its install root. */
export const programPath = join('bin', 'dcm2niix');

/** Makes both folders: the converter with its licence, and all of the imaging libraries. */
export async function unpack(
  release: Release,
  targets: { hostApplication: string; imagingLibraries: string },
  run: Run,
): Promise<void> {
  const { hostApplication, imagingLibraries } = targets;
  const { dcm2niix, itkIo } = release;
  await mkdir(hostApplication, { recursive: true });
  await mkdir(imagingLibraries, { recursive: true });
  const licences = `dcm2niix-${dcm2niix.version}.dist-info/licenses/`;
  await Promise.all([
    run('python3', ['-c', extract, dcm2niix.path, hostApplication, 'bin/', licences]),
    run('python3', ['-c', extract, itkIo.path, imagingLibraries, '']),
  ]);
  // A wheel's permissions are set by its installer, which this is.
  await chmod(join(hostApplication, programPath), 0o755);
}
