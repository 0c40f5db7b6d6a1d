/** `iotdh keys …`: the keys that sign packs, and the root that says whose they are. */

import { resolve } from 'node:path';
import { type KeyType, keyTypes, roles, settingsOf } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { printJson } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import { fetchMetadata } from '../signing/fleet-metadata.ts';
import { initialise, rootFileIn } from '../signing/key-folder.ts';
import { chooseNew } from '../signing/passphrase.ts';
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

/** Makes the keys and the first root, and hands it in: from then on the fleet takes what these keys sign, and nothing else. */
export async function initKeys(
  { terminal, fleet }: Context,
  path: string,
  options: InitOptions,
): Promise<void> {
  const folder = resolve(terminal.cwd, path);
  const type = keyTypes.find((known): known is KeyType => known === options.type);
  if (type === undefined) throw new Failure(exitCode.usage, `--type is one of ${keyTypes.join(', ')}`);
  const { root: there, online } = await fetchMetadata(fleet.trust, terminal.signal);
  if (there !== null) {
    throw new Failure(exitCode.failed, `this fleet has root ${there.signed.version} already`, {
      next: 'See whose keys it names with: iotdh keys list',
    });
  }
  const passphrase = options.encrypt ? await chooseNew(terminal, options.passphraseFile) : null;
  const chosen = (keys: number, threshold: number) => {
    if (threshold <= keys) return { keys, threshold };
    throw new Failure(exitCode.usage, `a threshold of ${threshold} cannot be met by ${keys} keys`);
  };
  const beginning = await initialise({
    ...{ folder, type, passphrase, online, nowMs: terminal.now().getTime() },
    root: chosen(options.rootKeys, options.rootThreshold),
    targets: chosen(options.targetsKeys, options.targetsThreshold),
  });
  const handedIn = { roots: [beginning.root], targets: beginning.targets };
  await fleet.trust.publishMetadata(handedIn, { signal: terminal.signal });
  terminal.out(`${rootFileIn(folder)}\n`);
  terminal.note(
    'Give this file to every agent as trust.rootFile, and each key file to the one person who is to sign with it.',
  );
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
