/**
 * The targets that follow those in force, as they wait in a folder until as many people have signed them as the root asks for; each
 * signature is one command of one person, who is told before what it changes.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  addSignature,
  encodeMetadata,
  fileName,
  latestEndMs,
  lifetimeMs,
  type Metadata,
  type Signer,
  settingsOf,
  type Targets,
  type Threshold,
  thresholdOf,
} from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { parsedTargets } from './fleet-metadata.ts';
import { keepIn, readBounded, writeKept } from './kept-metadata.ts';
import type { Repository } from './trusted-metadata.ts';

export type NextTargets = {
  targets: Metadata<Targets>;
  bytes: Buffer;
  threshold: Threshold;
  /** How these targets differ from those before, as `name@version`. What is replaced is in both. */
  added: string[];
  removed: string[];
};

const dayMs = 86_400_000;

/** Where targets of this version are, or wait, in a folder. */
export const targetsPath = (folder: string, version: number): string =>
  join(folder, fileName('targets', version));

/** Null: none wait in the folder, or what they follow is no longer the newest. */
export function waitingIn(repository: Repository, folder: string): NextTargets | null {
  const due = (repository.targets?.metadata.signed.version ?? 0) + 1;
  const path = targetsPath(folder, due);
  if (!existsSync(path)) return null;
  const targets = parsedTargets(readBounded(path, 'targets'));
  const { version } = targets.signed;
  if (version === due) return nextOf(repository, targets);
  // Devices that once took a version take none before it.
  throw new Failure(exitCode.failed, `${path} holds targets ${version}`, { next: anew(path) });
}

const anew = (path: string): string => `Ask who signed them before you. To begin anew, remove ${path}.`;

export function nextOf({ root, targets: before }: Repository, targets: Metadata<Targets>): NextTargets {
  const [old, fresh] = [before?.metadata.signed.targets ?? {}, targets.signed.targets];
  const differing = (from: Targets['targets'], to: Targets['targets']) =>
    Object.keys(from).filter((path) => {
      const other = to[path];
      return other === undefined || from[path]?.equals(other) !== true;
    });
  return {
    targets,
    bytes: encodeMetadata(targets),
    threshold: thresholdOf(root.signed, 'targets', targets),
    added: differing(fresh, old).map(nameOf),
    removed: differing(old, fresh).map(nameOf),
  };
}

/** Of what somebody else wrote, nothing that looks like another name, and nothing that a terminal takes for a command. */
const nameOf = (path: string): string =>
  /^[\w.+~:-]+\/[\w.+~:-]+$/.test(path)
    ? path.replace('/', '@')
    : JSON.stringify(path.replaceAll(/[^\x20-\x7e]/g, '?'));

/** What a person reads before they sign. */
export function describe({ where, targets: before }: Repository, next: NextTargets): string[] {
  const { version, expires } = next.targets.signed;
  const after = before === null ? 'the first' : `after ${before.metadata.signed.version} ${where}`;
  return [
    `Targets ${version}, ${after}, good until ${expires}`,
    ...next.added.map((name) => `  adds ${name}`),
    ...next.removed.map(
      (name) => `  no longer signs ${name}${next.added.includes(name) ? ' as it was' : ''}`,
    ),
    ...(next.added.length + next.removed.length === 0 ? ['  adds and removes nothing'] : []),
  ];
}

/**
 * Somebody else may have written what waits: it is signed when it changes nothing beside what the command is about, and is not good for
 * longer than what is made here. Throws a `Failure`.
 */
export function requireSignable(
  { targets: { signed }, added, removed }: NextTargets,
  options: { path: string; mayAdd: readonly string[]; mayRemove: readonly string[] | 'any'; nowMs: number },
): void {
  const { path, mayAdd, mayRemove, nowMs } = options;
  const additions = added.filter((name) => !mayAdd.includes(name));
  const removals = mayRemove === 'any' ? [] : removed.filter((name) => !mayRemove.includes(name));
  const problems = [
    ...additions.map((name) => `add ${name}`),
    ...removals.map((name) => `remove ${name}`),
    ...(signed.delegations === undefined ? [] : ['delegate']),
    ...lifetimeProblem(signed.expires, 'targets', nowMs),
  ];
  if (problems.length === 0) return;
  throw new Failure(
    exitCode.failed,
    `targets ${signed.version} in ${path} ${problems.slice(0, 8).join(', ')}: that is not to be signed here`,
    { next: anew(path) },
  );
}

/** As the end of a sentence. Clocks may differ by a day. */
export function lifetimeProblem(expires: string, role: 'root' | 'targets', nowMs: number): string[] {
  if (!/^\d{4}(-\d\d){2}T\d\d(:\d\d){2}Z$/.test(expires)) return ['do not say plainly when they end'];
  const endMs = Date.parse(expires);
  if (endMs <= nowMs) return [`have ended on ${expires}`];
  const days = lifetimeMs[role] / dayMs;
  return endMs <= latestEndMs(role, nowMs)
    ? []
    : [`would be good until ${expires}, for more than ${days} days`];
}

/** Whether the root lets this key sign targets. */
export const maySign = ({ root }: Repository, { key }: Signer): boolean =>
  settingsOf(root.signed).targets.keys.some(({ keyID }) => keyID === key.keyID);

/** Adds the signatures of these keys, and keeps the targets in the folder. Throws a `Failure` when none of them may sign. */
export async function signTargets(
  repository: Repository,
  { targets }: NextTargets,
  signers: readonly Signer[],
  folder: string,
): Promise<NextTargets> {
  const root = repository.root.signed;
  const mine = signers.filter((signer) => maySign(repository, signer));
  if (mine.length === 0) {
    throw new Failure(exitCode.usage, `root ${root.version} lets none of these keys sign targets`, {
      next: 'See whose may with: iotdh keys list',
    });
  }
  for (const signer of mine) await addSignature(targets, signer);
  const signed = nextOf(repository, targets);
  await keepIn(folder, repository);
  await writeKept(folder, fileName('targets', targets.signed.version), signed.bytes);
  return signed;
}
