/**
 * The folder of an author: keys as `root-1.pem`, `targets-1.pem` and so on, and beside them the roots and targets that were
 * made with them. In a team each key is moved to the stick of the one person who is to sign with it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  addSignature,
  encodeMetadata,
  generatePrivateKey,
  isEncrypted,
  type Key,
  KeyFileError,
  type KeyType,
  keySigner,
  makeRoot,
  nextTargets,
  readKeyFile,
  type Signer,
  writeKeyFile,
} from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { writeWhole } from '../write-whole.ts';

export type OfflineRole = 'root' | 'targets';

export type RoleChoice = { keys: number; threshold: number };

export type InitialiseOptions = {
  folder: string;
  root: RoleChoice;
  targets: RoleChoice;
  type: KeyType;
  /** Null: the key files are not encrypted. */
  passphrase: string | null;
  online: { snapshot: Key; timestamp: Key };
  nowMs: number;
};

/** What a new fleet is begun with. */
export type Beginning = { root: Buffer; targets: Buffer };

export const rootFileIn = (folder: string): string => join(folder, '1.root.json');
const targetsFileIn = (folder: string): string => join(folder, '1.targets.json');

/** Makes the keys, the first root and the first targets, which sign nothing. The root is written last: without it none of this has happened. */
export async function initialise(options: InitialiseOptions): Promise<Beginning> {
  const { folder, online, passphrase, type, nowMs } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (existsSync(rootFileIn(folder))) {
    throw new Failure(exitCode.failed, `${folder} has keys and a root already`, {
      next: 'Use another folder; keys are never replaced.',
    });
  }
  const signersOf = (role: OfflineRole) =>
    Array.from({ length: options[role].keys }, (_, index) =>
      newKey(folder, role, index + 1, type, passphrase),
    );
  const signers = { root: signersOf('root'), targets: signersOf('targets') };
  const setting = (role: OfflineRole) => ({
    keys: signers[role].map(({ key }) => key),
    threshold: options[role].threshold,
  });
  const root = makeRoot(
    {
      root: setting('root'),
      targets: setting('targets'),
      snapshot: { keys: [online.snapshot], threshold: 1 },
      timestamp: { keys: [online.timestamp], threshold: 1 },
    },
    1,
    nowMs,
  );
  for (const signer of signers.root) await addSignature(root, signer);
  const targets = nextTargets(null, {}, nowMs);
  for (const signer of signers.targets) await addSignature(targets, signer);
  const beginning = { root: encodeMetadata(root), targets: encodeMetadata(targets) };
  await writeWhole(targetsFileIn(folder), beginning.targets, 0o644);
  await writeWhole(rootFileIn(folder), beginning.root, 0o644);
  return beginning;
}

/** What `initialise` has made here; null: nothing. */
export function beginningIn(folder: string): Beginning | null {
  if (!existsSync(rootFileIn(folder))) return null;
  return { root: readFileSync(rootFileIn(folder)), targets: readFileSync(targetsFileIn(folder)) };
}

/** A key that was interrupted before its root was made is taken over. `number`: makes its file's name one of its own. */
export function newKey(
  folder: string,
  role: OfflineRole,
  number: number | string,
  type: KeyType,
  passphrase: string | null,
): Signer {
  const path = join(folder, `${role}-${number}.pem`);
  if (!existsSync(path)) writeKeyFile(path, generatePrivateKey(type), passphrase);
  return openKey(path, passphrase);
}

/** The key files of a folder, or the one file that is named. */
export function keyFiles(path: string): string[] {
  if (path.endsWith('.pem')) return [path];
  return readdirSync(path)
    .filter((name) => name.endsWith('.pem'))
    .sort()
    .map((name) => join(path, name));
}

/** The first root, where `initialise` has put it beside these keys. */
export const rootBeside = (path: string): string => rootFileIn(path.endsWith('.pem') ? dirname(path) : path);

/** Throws a `Failure` that says what to do. */
export function openKey(path: string, passphrase: string | null): Signer {
  return fromKeyFile(() => keySigner(readKeyFile(path, passphrase)));
}

export const needsPassphrase = (path: string): boolean => fromKeyFile(() => isEncrypted(path));

function fromKeyFile<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof KeyFileError) throw new Failure(exitCode.usage, cause.message, { cause });
    throw cause;
  }
}
