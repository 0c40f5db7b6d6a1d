/** `iotdh keys rotate`: one person's part in a new root, and what all of them add up to. */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { type KeyType, keyTypes, type Signer } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { type FleetMetadata, fetchMetadata, type TrustClient } from '../signing/fleet-metadata.ts';
import { readKept } from '../signing/kept-metadata.ts';
import { newKey, type OfflineRole } from '../signing/key-folder.ts';
import { openSigners } from '../signing/open-signers.ts';
import { chooseNew } from '../signing/passphrase.ts';
import {
  differencesOf,
  handedIn,
  type Progress,
  prepareRotation,
  progressOf,
  type Rotation,
  signRotation,
} from '../signing/rotation.ts';
import { type Repository, readAnchor, trustedIn } from '../signing/trusted-metadata.ts';
import { settleRotation, waitingRotation } from '../signing/waiting-rotation.ts';
import type { Terminal } from '../terminal.ts';
import { approveSigning } from './approve-signing.ts';

export type RotateOptions = {
  root: string;
  key?: string[];
  remove?: string[];
  newRoot?: number;
  newTargets?: number;
  rootThreshold?: number;
  targetsThreshold?: number;
  online?: boolean;
  renew?: boolean;
  type: string;
  passphraseFile?: string;
  encrypt: boolean;
  offline?: boolean;
  yes?: boolean;
  output?: Format;
};

/** `trust` connects to the fleet, which an offline signature does without. */
export async function rotateKeys(
  terminal: Terminal,
  path: string,
  options: RotateOptions,
  trust: () => Promise<TrustClient>,
): Promise<void> {
  const folder = resolve(terminal.cwd, path);
  const anchor = readAnchor(options.root);
  const client = options.offline ? null : await trust();
  const fleet = client && (await fetchMetadata(client, terminal.signal));
  const found = fleet ?? readKept(folder);
  if (found === null) {
    throw new Failure(exitCode.usage, `${folder} has no root to sign after without a fleet`, {
      next: 'The first to sign does so without --offline, and passes the whole folder on.',
    });
  }
  const repository = trustedIn(found, anchor);
  const waiting = waitingRotation(repository, folder, terminal.now().getTime());
  if (waiting !== null && changes(options)) {
    throw new Failure(
      exitCode.usage,
      `root ${waiting.root.signed.version} waits in ${folder} for signatures`,
      {
        next: 'Sign it as it is, or remove its next.*.json and begin anew.',
      },
    );
  }
  const begun = waiting === null ? await begin(terminal, folder, options, repository, fleet) : null;
  const rotation = waiting ?? begun?.rotation;
  if (rotation === undefined) return;
  const { key = [], passphraseFile } = options;
  if (begun !== null || key.length > 0)
    await approveSigning(terminal, describe(repository, rotation), options.yes);
  const signers = [...(begun?.made ?? []), ...(await openSigners(terminal, key, passphraseFile))];
  const progress =
    signers.length > 0
      ? await signRotation(repository, rotation, signers, folder)
      : progressOf(repository, rotation);
  if (progress.met && client !== null) {
    const toHandIn = handedIn(repository, rotation, terminal.now().getTime());
    await client.publishMetadata(toHandIn, { signal: terminal.signal });
    settleRotation(rotation, folder);
  }
  await report(terminal, options, { folder, repository, rotation, progress });
}

const changes = ({
  remove = [],
  newRoot,
  newTargets,
  rootThreshold,
  targetsThreshold,
  online,
  renew,
}: RotateOptions) =>
  remove.length > 0 ||
  [newRoot, newTargets, rootThreshold, targetsThreshold].some((number) => number !== undefined) ||
  online === true ||
  renew === true;

/** Makes the new keys, and the root that names them. */
async function begin(
  terminal: Terminal,
  folder: string,
  options: RotateOptions,
  repository: Repository,
  fleet: FleetMetadata | null,
): Promise<{ rotation: Rotation; made: Signer[] }> {
  if (!changes(options)) {
    throw new Failure(exitCode.usage, `nothing waits in ${folder}, and nothing is to change`, {
      next: 'Say what: --remove, --new-root, --new-targets, a threshold, --online, or --renew for nothing but a later end.',
    });
  }
  if (fleet === null)
    throw new Failure(exitCode.usage, 'a rotation is begun with the fleet, not with --offline');
  const type = keyTypes.find((known): known is KeyType => known === options.type);
  if (type === undefined) throw new Failure(exitCode.usage, `--type is one of ${keyTypes.join(', ')}`);
  const { newRoot = 0, newTargets = 0, rootThreshold, targetsThreshold, remove = [] } = options;
  const passphrase =
    options.encrypt && newRoot + newTargets > 0 ? await chooseNew(terminal, options.passphraseFile) : null;
  const version = repository.root.signed.version + 1;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const make = (role: OfflineRole, count: number) =>
    Array.from({ length: count }, (_, index) =>
      newKey(folder, role, `${version}-${index + 1}`, type, passphrase),
    );
  const made = { root: make('root', newRoot), targets: make('targets', newTargets) };
  const keysOf = (signers: readonly Signer[]) => signers.map(({ key }) => key);
  const rotation = prepareRotation(
    repository,
    {
      remove,
      add: { root: keysOf(made.root), targets: keysOf(made.targets) },
      threshold: {
        ...(rootThreshold !== undefined && { root: rootThreshold }),
        ...(targetsThreshold !== undefined && { targets: targetsThreshold }),
      },
      online: options.online ? fleet.online : null,
    },
    terminal.now().getTime(),
  );
  // A new key of the targets signs only targets that are made anew.
  return { rotation, made: rotation.targets === null ? made.root : [...made.root, ...made.targets] };
}

/** What a person reads before they sign. */
function describe(repository: Repository, rotation: Rotation): string[] {
  const { version, expires } = rotation.root.signed;
  const { where, root } = repository;
  const lines = differencesOf(repository, rotation).flatMap(({ role, added, removed, threshold }) => [
    ...removed.map((keyId) => `  ${role}: no longer ${keyId}`),
    ...added.map((keyId) => `  ${role}: now ${keyId}`),
    ...(threshold[0] === threshold[1]
      ? []
      : [`  ${role}: ${threshold[1]} must sign instead of ${threshold[0]}`]),
  ]);
  return [
    `Root ${version}, after ${root.signed.version} ${where}, good until ${expires}`,
    ...(lines.length === 0 ? ['  names the same keys'] : lines),
    ...(rotation.targets === null
      ? []
      : [
          `  targets ${rotation.targets.signed.version} sign the same, until ${rotation.targets.signed.expires}`,
        ]),
  ];
}

async function report(
  terminal: Terminal,
  { output, offline, root }: RotateOptions,
  about: { folder: string; repository: Repository; rotation: Rotation; progress: Progress },
): Promise<void> {
  const { folder, repository, rotation, progress } = about;
  const format = formatOf(output, terminal);
  const differences = differencesOf(repository, rotation);
  const { version, expires } = rotation.root.signed;
  const isHandedIn: boolean = progress.met && offline !== true;
  const again = `iotdh keys rotate ${folder} --root ${root}`;
  if (format === 'name') terminal.out(`${folder}\n`);
  else if (format !== 'table') {
    await printJson(terminal, format, {
      root: version,
      expires,
      handedIn: isHandedIn,
      differences,
      ...progress,
    });
  } else {
    terminal.out(
      `${terminal.style('green', isHandedIn ? 'In force' : 'Signed')} root ${version}, good until ${expires}\n`,
    );
    const { before, itself, targets } = progress;
    terminal.out(
      `  ${before.signed.length} of ${before.needed} signatures that root ${version - 1} asks for\n`,
    );
    terminal.out(`  ${itself.signed.length} of ${itself.needed} signatures that root ${version} asks for\n`);
    if (targets !== null)
      terminal.out(`  ${targets.signed.length} of ${targets.needed} signatures of the targets, made anew\n`);
  }
  if (isHandedIn)
    terminal.note(
      'Devices follow with their next update. Move each new key file to the one person who is to sign with it.',
    );
  else if (progress.met) terminal.note(`Next, with a link: ${again}`);
  else
    terminal.note(`Pass the folder on, without the keys in it: somebody else signs with ${again} --key FILE`);
}
