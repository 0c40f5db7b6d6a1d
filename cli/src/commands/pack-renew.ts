/** `iotdh pack renew`: what is signed stays signed for another year, without the packs that are named. */
import { resolve } from 'node:path';
import { nextTargets, targetPath } from '@iotdh/trust/author';
import type { Fleet } from '../connection/fleet.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { fetchMetadata } from '../signing/fleet-metadata.ts';
import { readKept } from '../signing/kept-metadata.ts';
import { openSigners } from '../signing/open-signers.ts';
import {
  describe,
  type NextTargets,
  nextOf,
  requireSignable,
  signTargets,
  targetsPath,
  waitingIn,
} from '../signing/sign-targets.ts';
import { type Repository, readAnchor, trustedIn } from '../signing/trusted-metadata.ts';
import type { Terminal } from '../terminal.ts';
import { approveSigning } from './approve-signing.ts';
import { unsignedWaiting } from './unsigned-waiting.ts';

export type RenewOptions = {
  root: string;
  key?: string[];
  remove?: string[];
  passphraseFile?: string;
  offline?: boolean;
  yes?: boolean;
  output?: Format;
};

/** `connect` connects to the fleet, which an offline signature does without. */
export async function renew(
  terminal: Terminal,
  path: string,
  options: RenewOptions,
  connect: () => Promise<Pick<Fleet, 'trust' | 'packs' | 'assignments'>>,
): Promise<void> {
  const folder = resolve(terminal.cwd, path);
  const { key = [], remove = [], passphraseFile } = options;
  const anchor = readAnchor(options.root);
  const fleet = options.offline ? null : await connect();
  const client = fleet?.trust ?? null;
  const found = client === null ? readKept(folder) : await fetchMetadata(client, terminal.signal);
  const repository = found && trustedIn(found, anchor);
  const nowMs = terminal.now().getTime();
  const waiting = repository && waitingTargets(repository, folder, nowMs);
  if (waiting !== null && remove.length > 0) {
    throw new Failure(exitCode.usage, `targets wait in ${folder} for signatures`, {
      next: `Sign them as they are, or remove ${targetsPath(folder, waiting.targets.signed.version)} and begin anew.`,
    });
  }
  if (repository === null || (waiting === null && (client === null || key.length === 0))) {
    throw new Failure(exitCode.usage, `nothing waits in ${folder} for signatures`, {
      next: 'The first to sign does so with --key and without --offline, and passes the whole folder on.',
    });
  }
  let next = waiting ?? begin(repository, remove, nowMs);
  if (key.length > 0) {
    await approveSigning(terminal, describe(repository, next), options.yes);
    next = await signTargets(repository, next, await openSigners(terminal, key, passphraseFile), folder);
  }
  const isHandedIn = next.threshold.met && client !== null;
  if (isHandedIn) await client.publishMetadata({ targets: next.bytes }, { signal: terminal.signal });
  await report(terminal, options, folder, next, isHandedIn);
  if (!isHandedIn || fleet === null) return;
  for (const sentence of await unsignedWaiting(fleet, next.removed, terminal.signal)) terminal.note(sentence);
}

function waitingTargets(repository: Repository, folder: string, nowMs: number): NextTargets | null {
  const waiting = waitingIn(repository, folder);
  if (waiting === null) return null;
  const path = targetsPath(folder, waiting.targets.signed.version);
  requireSignable(waiting, { path, mayAdd: [], mayRemove: 'any', nowMs });
  return waiting;
}

function begin(repository: Repository, remove: readonly string[], nowMs: number): NextTargets {
  const before = repository.targets?.metadata.signed;
  if (before === undefined) throw new Failure(exitCode.failed, 'this fleet has no targets yet');
  const names = remove.map((word) => {
    const [name = '', version = '', more] = word.split('@');
    if (more === undefined && Object.hasOwn(before.targets, targetPath({ name, version })))
      return { name, version };
    throw new Failure(exitCode.notFound, `targets ${before.version} do not sign ${word}`, {
      next: 'Name a pack as NAME@VERSION. See them with: iotdh pack list',
    });
  });
  return nextOf(repository, nextTargets(before, { remove: names }, nowMs));
}

async function report(
  terminal: Terminal,
  { output, root }: RenewOptions,
  folder: string,
  { targets, threshold, added, removed }: NextTargets,
  isHandedIn: boolean,
): Promise<void> {
  const format = formatOf(output, terminal);
  const { version, expires } = targets.signed;
  const { needed, signed, met } = threshold;
  if (format === 'name') terminal.out(`${folder}\n`);
  else if (format !== 'table') {
    const about = { targets: version, expires, handedIn: isHandedIn };
    await printJson(terminal, format, { ...about, needed, signed, met, added, removed });
  } else {
    const state = terminal.style('green', isHandedIn ? 'In force' : 'Signed');
    terminal.out(`${state} targets ${version}, good until ${expires}\n`);
    for (const name of removed) terminal.out(`  no longer signs ${name}\n`);
    terminal.out(`  ${signed.length} of ${needed} signatures\n`);
  }
  const again = `iotdh pack renew ${folder} --root ${root}`;
  if (isHandedIn) terminal.note('Devices follow with their next update.');
  else if (met) terminal.note(`Next, with a link: ${again}`);
  else terminal.note(`Pass the folder on: somebody else signs with ${again} --key FILE`);
}
