/** The rotation that waits in a folder for signatures. Somebody else may have written it. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeMetadata, fileName, hasItsId, type Root } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { parsedRoot, parsedTargets } from './fleet-metadata.ts';
import { readBounded } from './kept-metadata.ts';
import type { Rotation } from './rotation.ts';
import { lifetimeProblem, nextOf, requireSignable } from './sign-targets.ts';
import type { Repository } from './trusted-metadata.ts';

export const waitingFiles = { root: 'next.root.json', targets: 'next.targets.json' } as const;

/** Null: there is none. Throws a `Failure` when it does not follow what is in force, or hides what it changes. */
export function waitingRotation(repository: Repository, folder: string, nowMs: number): Rotation | null {
  const path = join(folder, waitingFiles.root);
  if (!existsSync(path)) return null;
  const root = parsedRoot(readBounded(path, 'root'));
  const { version } = repository.root.signed;
  const inForce = repository.roots.at(-1)?.bytes ?? new Uint8Array();
  if (Buffer.compare(encodeMetadata(root), inForce) === 0) {
    // It was handed in, and whoever did so did not live to say it here.
    settleRotation({ root, targets: null }, folder);
    rmSync(join(folder, waitingFiles.targets), { force: true });
    return null;
  }
  if (root.signed.version !== version + 1) {
    throw new Failure(
      exitCode.failed,
      `${path} is root ${root.signed.version}, and root ${version} is in force`,
      {
        next: `Remove ${path}, and begin anew.`,
      },
    );
  }
  const problems = [
    ...misnamedKeys(repository.root.signed, root.signed),
    ...lifetimeProblem(root.signed.expires, 'root', nowMs),
  ];
  if (problems.length > 0) {
    throw new Failure(exitCode.failed, `${path} ${problems.join(', ')}: that is not to be signed`, {
      next: `Ask who signed it before you. To begin anew, remove ${path}.`,
    });
  }
  return { root, targets: waitingTargets(repository, folder, nowMs) };
}

/** People compare ids, so an id stands for one key: the one that it stood for before, or the one that it follows from. */
function misnamedKeys({ keys: before }: Root, { keys: after }: Root): string[] {
  return Object.values(after).flatMap((key) => {
    const known = before[key.keyID];
    const isRight = known === undefined ? hasItsId(key) : known.equals(key);
    return isRight ? [] : [`gives another key the id ${JSON.stringify(key.keyID.slice(0, 64))}`];
  });
}

/** Made anew for other keys, they sign exactly what those in force do. */
function waitingTargets(repository: Repository, folder: string, nowMs: number): Rotation['targets'] {
  const path = join(folder, waitingFiles.targets);
  if (!existsSync(path)) return null;
  const targets = parsedTargets(readBounded(path, 'targets'));
  const due = (repository.targets?.metadata.signed.version ?? 0) + 1;
  if (targets.signed.version !== due) {
    throw new Failure(exitCode.failed, `a pack was signed meanwhile: targets ${due} are due`, {
      next: `Remove ${path} and ${join(folder, waitingFiles.root)}, and begin anew.`,
    });
  }
  requireSignable(nextOf(repository, targets), { path, mayAdd: [], mayRemove: [], nowMs });
  return targets;
}

/** It waits no longer: the files are named as those before them. */
export function settleRotation({ root, targets }: Rotation, folder: string): void {
  renameSync(join(folder, waitingFiles.root), join(folder, fileName('root', root.signed.version)));
  if (targets !== null)
    renameSync(join(folder, waitingFiles.targets), join(folder, fileName('targets', targets.signed.version)));
}
