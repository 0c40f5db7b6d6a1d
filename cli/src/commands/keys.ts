/** `iotdh keys …`: the keys that sign packs, and the root that says whose they are. */

import { resolve } from 'node:path';
import { type KeyType, keyTypes, roles, settingsOf } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import { type FleetMetadata, fetchMetadata, parsedRoot } from '../signing/fleet-metadata.ts';
import {
  type Beginning,
  beginningIn,
  initialise,
  keyFiles,
  type OfflineRole,
  type RoleChoice,
  rootFileIn,
} from '../signing/key-folder.ts';
import { openSigners } from '../signing/open-signers.ts';
import { chooseNew } from '../signing/passphrase.ts';
import type { Terminal } from '../terminal.ts';
import type { Context } from './context.ts';

export type InitOptions = {
  rootKeys: number;
  rootThreshold: number;
  targetsKeys: number;
  targetsThreshold: number;
  type: string;
  passphraseFile?: string;
  encrypt: boolean;
};

/**
 * Makes the keys and the first root, and hands it in: from then on the fleet takes what these keys sign, and nothing else. Run again,
 * it goes on: what was made and did not reach the fleet is handed in.
 */
export async function initKeys(
  { terminal, fleet }: Context,
  path: string,
  options: InitOptions,
): Promise<void> {
  const folder = resolve(terminal.cwd, path);
  const inForce = await fetchMetadata(fleet.trust, terminal.signal);
  const made = beginningIn(folder);
  const isDone = made !== null && inForce.roots[0]?.version === 1 && made.root.equals(inForce.roots[0].bytes);
  if (!isDone) {
    if (inForce.root !== null) {
      throw new Failure(exitCode.failed, `this fleet has root ${inForce.root.signed.version} already`, {
        next: 'See whose keys it names with: iotdh keys list',
      });
    }
    const { root, targets } =
      made === null ? await begin(terminal, folder, options, inForce) : asChosen(made, folder, options);
    await fleet.trust.publishMetadata({ roots: [root], targets }, { signal: terminal.signal });
  }
  terminal.out(`${rootFileIn(folder)}\n`);
  terminal.note(
    'Give this file to every agent as trust.rootFile, and each key file to the one person who is to sign with it.',
  );
}

async function begin(
  terminal: Terminal,
  folder: string,
  options: InitOptions,
  { online }: FleetMetadata,
): Promise<Beginning> {
  const type = keyTypes.find((known): known is KeyType => known === options.type);
  if (type === undefined) throw new Failure(exitCode.usage, `--type is one of ${keyTypes.join(', ')}`);
  for (const { keys, threshold } of Object.values(choiceOf(options))) {
    if (threshold > keys)
      throw new Failure(exitCode.usage, `a threshold of ${threshold} cannot be met by ${keys} keys`);
  }
  const passphrase = options.encrypt ? await chooseNew(terminal, options.passphraseFile) : null;
  return await initialise({
    ...{ folder, type, passphrase, online, nowMs: terminal.now().getTime() },
    ...choiceOf(options),
  });
}

const choiceOf = (options: InitOptions): Record<'root' | 'targets', RoleChoice> => ({
  root: { keys: options.rootKeys, threshold: options.rootThreshold },
  targets: { keys: options.targetsKeys, threshold: options.targetsThreshold },
});

/** What an earlier run has made and the fleet has not got. Throws a `Failure` when it is not what is asked for now. */
function asChosen(made: Beginning, folder: string, options: InitOptions): Beginning {
  const settings = settingsOf(parsedRoot(made.root).signed);
  for (const [role, { keys, threshold }] of Object.entries(choiceOf(options))) {
    const has = settings[role as OfflineRole];
    if (has.keys.length === keys && has.threshold === threshold) continue;
    throw new Failure(
      exitCode.usage,
      `${folder} has a root already, for which ${has.threshold} of ${has.keys.length} keys of the ${role} must sign`,
      {
        next: 'Say the same numbers as before to hand it in, or use another folder; keys are never replaced.',
      },
    );
  }
  return made;
}

export type ShowOptions = { passphraseFile?: string; output?: Format };

/** Which keys are in files: how the others name them. */
export async function showKeys(
  terminal: Terminal,
  paths: readonly string[],
  { passphraseFile, output }: ShowOptions,
): Promise<void> {
  const format = formatOf(output, terminal);
  const rows: { file: string; keyId: string; scheme: string }[] = [];
  for (const file of paths.flatMap(keyFiles)) {
    const [signer] = await openSigners(terminal, [file], passphraseFile);
    if (signer !== undefined) rows.push({ file, keyId: signer.key.keyID, scheme: signer.key.scheme });
  }
  if (format === 'name') for (const { keyId } of rows) terminal.out(`${keyId}\n`);
  else if (format !== 'table') await printJson(terminal, format, rows);
  else {
    const columns = [
      { header: 'SCHEME', value: ({ scheme }: (typeof rows)[number]) => scheme },
      { header: 'KEY', value: ({ keyId }: (typeof rows)[number]) => keyId },
      { header: 'FILE', value: ({ file }: (typeof rows)[number]) => file },
    ];
    terminal.out(tableText(columns, rows, terminal));
  }
}

export async function listKeys({ terminal, fleet, format }: Context): Promise<void> {
  const { root, online } = await fetchMetadata(fleet.trust, terminal.signal);
  const settings = root && settingsOf(root.signed);
  const rows = roles.flatMap((role) =>
    (settings?.[role].keys ?? []).map(({ keyID, scheme }) => ({
      role,
      keyId: keyID,
      scheme,
      threshold: settings?.[role].threshold ?? 0,
      // What the fleet signs with, where the root names another key, is good for nothing until the root is rotated.
      isOnline: [online.snapshot.keyID, online.timestamp.keyID].includes(keyID),
    })),
  );
  if (format === 'name') for (const { keyId } of rows) terminal.out(`${keyId}\n`);
  else if (format !== 'table') await printJson(terminal, format, rows);
  else if (rows.length === 0) terminal.note('This fleet has no root yet. Make one with: iotdh keys init');
  else {
    const columns = [
      { header: 'ROLE', value: ({ role }: (typeof rows)[number]) => role },
      { header: 'NEEDED', value: ({ threshold }: (typeof rows)[number]) => String(threshold) },
      { header: 'SCHEME', value: ({ scheme }: (typeof rows)[number]) => scheme },
      {
        header: 'HELD BY',
        value: ({ isOnline }: (typeof rows)[number]) => (isOnline ? 'the fleet' : 'a person'),
      },
      { header: 'KEY', value: ({ keyId }: (typeof rows)[number]) => keyId },
    ];
    terminal.out(tableText(columns, rows, terminal));
  }
}
