/** `iotdh pack sign`: one person's signature, after they have seen what it changes. */
import { settingsOf } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { openPack, type PackFolder } from '../pack-build/pack-folder.ts';
import { fetchMetadata, type TrustClient } from '../signing/fleet-metadata.ts';
import { openSigners } from '../signing/open-signers.ts';
import { foundIn, isSigned, metadataFolderOf, pendingTargets, targetsFor } from '../signing/sign-pack.ts';
import { describe, type NextTargets, signTargets } from '../signing/sign-targets.ts';
import { type Repository, readAnchor, trustedIn } from '../signing/trusted-metadata.ts';
import type { Terminal } from '../terminal.ts';
import { approveSigning } from './approve-signing.ts';
import { fromAuthor } from './pack-files.ts';

export type SignOptions = {
  key: string;
  root: string;
  passphraseFile?: string;
  offline?: boolean;
  yes?: boolean;
  output?: Format;
};

/** `trust` connects to the fleet, which an offline signature does without. */
export async function sign(
  terminal: Terminal,
  path: string,
  options: SignOptions,
  trust: () => Promise<TrustClient>,
): Promise<void> {
  const anchor = readAnchor(options.root);
  const pack = await fromAuthor(() => openPack(path));
  const found = options.offline ? foundIn(pack) : await fetchMetadata(await trust(), terminal.signal);
  if (found === null) {
    throw new Failure(exitCode.usage, `${path} has no metadata/ to sign after without a fleet`, {
      next: 'The first to sign does so without --offline, and passes the whole folder on.',
    });
  }
  const repository = trustedIn(found, anchor);
  if (options.offline && isSigned(repository, pack) && pendingTargets(repository, pack) === null) {
    throw new Failure(exitCode.failed, `${path} has all its signatures already`, {
      next: `Hand it in with: iotdh pack upload ${path}`,
    });
  }
  const next = targetsFor(repository, pack, terminal.now().getTime());
  await approveSigning(terminal, describe(repository, next), options.yes);
  const signers = await openSigners(terminal, [options.key], options.passphraseFile);
  const signed = await signTargets(repository, next, signers, metadataFolderOf(pack));
  await report(terminal, options, pack, signed, repository);
}

async function report(
  terminal: Terminal,
  { output, root: rootFile }: SignOptions,
  pack: PackFolder,
  { targets, threshold, added, removed }: NextTargets,
  { root }: Repository,
): Promise<void> {
  const format = formatOf(output, terminal);
  const { needed, signed, met } = threshold;
  const names = settingsOf(root.signed).targets.keys.map(({ keyID }) => keyID);
  const lacking = names.filter((keyId) => !signed.includes(keyId));
  if (format === 'name') terminal.out(`${pack.folder}\n`);
  else if (format !== 'table') {
    await printJson(terminal, format, {
      targets: targets.signed.version,
      expires: targets.signed.expires,
      ...{ needed, signed, met, added, removed },
    });
  } else {
    const { manifest } = pack;
    terminal.out(`${terminal.style('green', 'Signed')} ${manifest.name}@${manifest.version}\n`);
    terminal.out(`  manifest ${pack.digest}, in targets ${targets.signed.version}\n`);
    terminal.out(`  ${signed.length} of ${needed} signatures: ${signed.map(short).join(', ')}\n`);
  }
  if (met) terminal.note(`Next: iotdh pack upload ${pack.folder}`);
  else {
    terminal.note(`Pass the folder on: one of ${lacking.map(short).join(', ')} has to sign too.`);
    terminal.note(`They do so with: iotdh pack sign ${pack.folder} --root ${rootFile} --key FILE`);
  }
}

const short = (keyId: string): string => keyId.slice(0, 12);
