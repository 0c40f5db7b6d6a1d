/**
 * What counts of the metadata that a fleet answers or a folder holds: roots that descend from the one that is trusted here, and targets
 * with as many signatures as the last of them asks for. Whoever signed after anything else would sign what nobody has shown them.
 */
import { statSync } from 'node:fs';
import { acceptRoot, type Metadata, type Root, type Targets, thresholdOf } from '@iotdh/trust/author';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Found, parsedRoot, parsedTargets } from './fleet-metadata.ts';
import { readBounded } from './kept-metadata.ts';

/** A root that whoever runs the command trusts, and what it is called. */
export type Anchor = { name: string; bytes: Uint8Array };

/** What there is to sign after, and to believe. */
export type Repository = {
  where: string;
  /** Those that followed the trusted one, and what else was found of those before it. */
  roots: Found['roots'];
  /** The newest. */
  root: Metadata<Root>;
  /** Null: there are none yet. */
  targets: { metadata: Metadata<Targets>; bytes: Uint8Array } | null;
};

const next = 'Sign nothing after it, and ask the others who hold keys: somebody may have put it there.';

export function readAnchor(file: string): Anchor {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new Failure(exitCode.usage, `${file} cannot be read`, {
      next: 'It is to be the root that your agents have as trust.rootFile.',
    });
  return { name: file, bytes: readBounded(file, 'root') };
}

/** Throws a `Failure` when another root or other targets are there than the anchor leads to. */
export function trustedIn({ where, roots, targets }: Found, anchor: Anchor): Repository {
  const trusted = parsedRoot(anchor.bytes);
  const { version: first } = trusted.signed;
  const earlier = roots.filter(({ version }) => version < first);
  const chain = [{ version: first, bytes: anchor.bytes }];
  let root = trusted;
  for (const { version, bytes } of roots.filter((one) => one.version >= first)) {
    if (version === first) {
      if (Buffer.compare(bytes, anchor.bytes) === 0) continue;
      const message = `root ${version} ${where} is another than ${anchor.name}`;
      throw new Failure(exitCode.failed, message, { next });
    }
    const accepted = acceptRoot(root.signed, bytes);
    if (accepted.kind === 'refused') {
      const message = `root ${version} ${where} does not descend from ${anchor.name}: ${accepted.detail}`;
      throw new Failure(exitCode.failed, message, { next });
    }
    root = accepted.metadata;
    chain.push({ version, bytes });
  }
  return { where, roots: [...earlier, ...chain], root, targets: inForce(where, targets, root.signed) };
}

/** The newest that have all their signatures; those after them wait. */
function inForce(where: string, candidates: readonly Uint8Array[], root: Root): Repository['targets'] {
  for (const bytes of candidates) {
    const metadata = parsedTargets(bytes);
    if (thresholdOf(root, 'targets', metadata).met) return { metadata, bytes };
  }
  const [newest] = candidates;
  if (newest === undefined) return null;
  const metadata = parsedTargets(newest);
  const { signed, needed } = thresholdOf(root, 'targets', metadata);
  throw new Failure(
    exitCode.failed,
    `targets ${metadata.signed.version} ${where} have ${signed.length} of the ${needed} signatures that root ${root.version} asks for`,
    { next },
  );
}
