/** `iotdh pack verify`: whether those whom a root names have signed a pack, and it is whole. Needs no fleet. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { openPack, type PackFolder } from '../pack-build/pack-folder.ts';
import { foundIn, isSigned, pendingTargets } from '../signing/sign-pack.ts';
import { readAnchor, trustedIn } from '../signing/trusted-metadata.ts';
import type { Terminal } from '../terminal.ts';
import { fromAuthor } from './pack-files.ts';

export type VerifyOptions = { root: string; output?: Format };

export type SignedPack = {
  pack: PackFolder;
  /** By which metadata it is signed. */
  root: number;
  targets: number;
  /** When the first of the two ends, ms since 1970. */
  endMs: number;
};

/** The pack, and by which metadata those whom the root names have signed it. Throws a `Failure` when they have not. Needs no fleet. */
export async function openSigned(path: string, rootFile: string): Promise<SignedPack> {
  const pack = await fromAuthor(() => openPack(path));
  const found = foundIn(pack);
  if (found === null)
    throw new Failure(exitCode.failed, `${path} is not signed: it has no metadata/`, {
      next: `Sign it with: iotdh pack sign ${path}`,
    });
  const repository = trustedIn(found, readAnchor(rootFile));
  const { version: root } = repository.root.signed;
  if (!isSigned(repository, pack)) {
    const { signed, needed } = pendingTargets(repository, pack)?.threshold ?? { signed: [], needed: 0 };
    throw new Failure(
      exitCode.failed,
      needed === 0
        ? `${path} is not signed as it is`
        : `${path} has ${signed.length} of the ${needed} signatures that root ${root} asks for`,
    );
  }
  const targets = repository.targets?.metadata.signed;
  const ends = [repository.root.signed, targets].map((signed) => Date.parse(signed?.expires ?? ''));
  return { pack, root, targets: targets?.version ?? 0, endMs: Math.min(...ends) };
}

/** Whether those whom the root names have signed the pack, and its objects are what it says. */
export async function verify(terminal: Terminal, path: string, options: VerifyOptions): Promise<void> {
  const { pack, root, targets, endMs } = await openSigned(path, options.root);
  const expires = new Date(endMs).toISOString();
  if (endMs <= terminal.now().getTime()) {
    throw new Failure(
      exitCode.failed,
      `${path} is signed by root ${root} and targets ${targets}, and that ended on ${expires}`,
      { next: 'No device begins with it any more. Sign it anew with: iotdh pack sign' },
    );
  }
  await verifyObjects(terminal, pack);
  const format = formatOf(options.output, terminal);
  const { manifest, digest } = pack;
  if (format === 'name') terminal.out(`${manifest.name}@${manifest.version}\n`);
  else if (format !== 'table') await printJson(terminal, format, { digest, root, targets, expires });
  else {
    terminal.out(`${terminal.style('green', 'Signed')} ${manifest.name}@${manifest.version}\n`);
    terminal.out(`  manifest ${digest}\n  root ${root}, targets ${targets}, good until ${expires}\n`);
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
