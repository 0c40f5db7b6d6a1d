/** `iotdh pack sign` and `iotdh pack verify`: one person's signature, and what all of them add up to. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { acceptRoot, type Root, settingsOf } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { openPack, type PackFolder } from '../pack-build/pack-folder.ts';
import { fetchMetadata, parsedRoot, type Repository, type TrustClient } from '../signing/fleet-metadata.ts';
import { openSigners } from '../signing/open-signers.ts';
import { isSigned, pendingTargets, repositoryIn, type SignedPack, signPack } from '../signing/sign-pack.ts';
import type { Terminal } from '../terminal.ts';
import { fromAuthor } from './pack-files.ts';

export type SignOptions = {
  key: string;
  passphraseFile?: string;
  root?: string;
  offline?: boolean;
  output?: Format;
};

/** `trust` connects to the fleet, which an offline signature does without. */
export async function sign(
  terminal: Terminal,
  path: string,
  options: SignOptions,
  trust: () => Promise<TrustClient>,
): Promise<void> {
  const pack = await fromAuthor(() => openPack(path));
  const repository = options.offline
    ? repositoryIn(pack)
    : await fetchMetadata(await trust(), terminal.signal);
  if (repository === null) {
    throw new Failure(exitCode.usage, `${path} has no metadata/ to sign after without a fleet`, {
      next: 'The first to sign does so without --offline, and passes the whole folder on.',
    });
  }
  if (options.root !== undefined) await requireDescent(repository, options.root);
  const signers = await openSigners(terminal, [options.key], options.passphraseFile);
  const signed = await signPack(repository, pack, signers, terminal.now().getTime());
  await report(terminal, options.output, pack, signed, repository);
}

async function report(
  terminal: Terminal,
  output: Format | undefined,
  pack: PackFolder,
  { targets, threshold, added, removed }: SignedPack,
  { root }: Repository,
): Promise<void> {
  const format = formatOf(output, terminal);
  const { needed, signed, met } = threshold;
  const lacking = root === null ? [] : keysOf(root.signed).filter((keyId) => !signed.includes(keyId));
  if (format === 'name') terminal.out(`${pack.folder}\n`);
  else if (format !== 'table') {
    await printJson(terminal, format, {
      targets: targets.signed.version,
      ...{ needed, signed, met, added, removed },
    });
  } else {
    const { manifest } = pack;
    terminal.out(`${terminal.style('green', 'Signed')} ${manifest.name}@${manifest.version}\n`);
    terminal.out(`  manifest ${pack.digest}\n`);
    terminal.out(`  targets ${targets.signed.version}: adds ${added.join(', ') || 'nothing'}`);
    terminal.out(`${removed.length === 0 ? '' : `; no longer signs ${removed.join(', ')}`}\n`);
    terminal.out(`  ${signed.length} of ${needed} signatures: ${signed.map(short).join(', ')}\n`);
  }
  if (met) terminal.note(`Next: iotdh pack upload ${pack.folder}`);
  else terminal.note(`Pass the folder on: one of ${lacking.map(short).join(', ')} has to sign too.`);
}

const short = (keyId: string): string => keyId.slice(0, 12);
const keysOf = (root: Root): string[] => settingsOf(root).targets.keys.map(({ keyID }) => keyID);

/** Each root after the one in the file, accepted by the one before. Throws a `Failure` when the chain does not begin there. */
export async function requireDescent({ roots }: Repository, file: string): Promise<Root> {
  let trusted = parsedRoot(await readRoot(file)).signed;
  for (const { version, bytes } of roots) {
    if (version <= trusted.version) continue;
    const accepted = acceptRoot(trusted, bytes);
    if (accepted.kind === 'refused') throw new Failure(exitCode.failed, accepted.detail);
    trusted = accepted.metadata.signed;
  }
  return trusted;
}

async function readRoot(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new Failure(exitCode.usage, `${file} cannot be read`, { cause });
  }
}

export type VerifyOptions = { root: string; output?: Format };

/** The pack, and by which metadata those whom the root names have signed it. Throws a `Failure` when they have not. Needs no fleet. */
export async function openSigned(
  path: string,
  rootFile: string,
): Promise<{ pack: PackFolder; root: number; targets: number }> {
  const pack = await fromAuthor(() => openPack(path));
  const found = repositoryIn(pack);
  if (found === null) throw new Failure(exitCode.failed, `${path} is not signed: it has no metadata/`);
  const root = await requireDescent(found, rootFile);
  const newest = found.root?.signed.version ?? 0;
  if (newest < root.version) {
    throw new Failure(
      exitCode.failed,
      `${path} comes with root ${newest}, and ${root.version} is trusted here`,
    );
  }
  const pending = pendingTargets(found, pack);
  if (!isSigned(found, pack)) {
    const { signed, needed } = pending?.threshold ?? { signed: [], needed: 0 };
    throw new Failure(
      exitCode.failed,
      pending === null
        ? `${path} is not signed as it is`
        : `${path} has ${signed.length} of the ${needed} signatures that root ${root.version} asks for`,
    );
  }
  return { pack, root: root.version, targets: found.targets?.metadata.signed.version ?? 0 };
}

/** Whether those whom the root names have signed the pack, and its objects are what it says. */
export async function verify(terminal: Terminal, path: string, options: VerifyOptions): Promise<void> {
  const { pack, root, targets } = await openSigned(path, options.root);
  await verifyObjects(terminal, pack);
  const format = formatOf(options.output, terminal);
  const { manifest, digest } = pack;
  if (format === 'name') terminal.out(`${manifest.name}@${manifest.version}\n`);
  else if (format !== 'table') await printJson(terminal, format, { digest, root, targets });
  else {
    terminal.out(`${terminal.style('green', 'Signed')} ${manifest.name}@${manifest.version}\n`);
    terminal.out(`  manifest ${digest}\n  root ${root}, targets ${targets}\n`);
    terminal.out(`  ${manifest.objects.length} objects are what the manifest says\n`);
  }
}

async function verifyObjects({ signal }: Terminal, pack: PackFolder): Promise<void> {
  for (const object of pack.manifest.objects) {
    const digest = Buffer.from(object.digest).toString('hex');
    const hash = createHash('sha256');
    try {
      for await (const piece of createReadStream(pack.objectPath(digest), { signal })) hash.update(piece);
    } catch (cause) {
      throw new Failure(exitCode.failed, `object ${digest} is not in ${pack.folder}`, { cause });
    }
    if (hash.digest('hex') !== digest) throw new Failure(exitCode.failed, `object ${digest} is damaged`);
  }
}
