/** Reads the pinned releases: pip's own format, so that pip and this demo hold to the same hashes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `older` is what a workstation has at first, `newer` what the service pack brings. */
export type Age = 'older' | 'newer';

/** A package at one version, and the SHA-256 of each wheel of it that is accepted, in lower-case hex. */
export type Requirement = { name: string; version: string; digests: string[] };

export const requirementsPath = (age: Age): string => join(import.meta.dirname, `${age}.txt`);

/** The requirements of a release, in the order of the file. */
export async function readRequirements(age: Age): Promise<Requirement[]> {
  const text = await readFile(requirementsPath(age), 'utf8');
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => {
      const [, name, version] = /^([a-z0-9-]+)==(\S+)/.exec(line) ?? [];
      if (name === undefined || version === undefined) return [];
      const digests = [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map((match) => match[1]!);
      return [{ name, version, digests }];
    });
}
