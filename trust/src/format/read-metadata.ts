/** Reads the bytes of one metadata file within our limits, and further than the library does: what two readers could take differently is refused. */
import { Metadata, MetadataKind, type Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import { keyMaterial } from './key-material.ts';
import { maxBytes, type Role } from './limits.ts';
import { type Refused, refused } from './refusal.ts';
import { scanJson } from './scan-json.ts';

type Signed = { root: Root; targets: Targets; snapshot: Snapshot; timestamp: Timestamp };

export type MetadataOf<R extends Role> = Metadata<Signed[R]>;

/** Parsed and of the right shape, and nothing more: no signature has been looked at. */
export type Read<R extends Role> = { kind: 'read'; metadata: MetadataOf<R> } | Refused;

const kinds = {
  root: MetadataKind.Root,
  targets: MetadataKind.Targets,
  snapshot: MetadataKind.Snapshot,
  timestamp: MetadataKind.Timestamp,
} as const;

type Json = Parameters<typeof Metadata.fromJSON>[1];
/** The library overloads it by kind, which a kind that is not known while compiling cannot choose from. */
const fromJson = Metadata.fromJSON as unknown as <R extends Role>(kind: string, data: Json) => MetadataOf<R>;

export function readMetadata<R extends Role>(role: R, bytes: Uint8Array): Read<R> {
  if (bytes.length > maxBytes[role]) {
    return refused('too_large', `${role} metadata have ${bytes.length} bytes, more than ${maxBytes[role]}`);
  }
  const malformed = (why: string) => refused('malformed', `${role} metadata cannot be read: ${why}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return malformed('they are not UTF-8');
  }
  const scan = scanJson(text);
  if (scan.kind === 'refused') return malformed(scan.detail);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      return malformed('they are no JSON object');
    }
    const metadata = fromJson<R>(kinds[role], parsed as Json);
    const problem = versionProblem(metadata.signed.version) ?? shapeProblem(metadata.signed);
    return problem === undefined ? { kind: 'read', metadata } : malformed(problem);
  } catch (error) {
    // The library throws for whatever has not its shape; a SyntaxError of the parser would quote the text.
    return malformed(error instanceof SyntaxError ? 'they are not JSON' : (error as Error).message);
  }
}

function versionProblem(version: number): string | undefined {
  return Number.isSafeInteger(version) && version >= 1
    ? undefined
    : 'the version is no whole number from 1 on';
}

function shapeProblem(signed: Signed[Role]): string | undefined {
  if (signed instanceof Timestamp) return versionProblem(signed.snapshotMeta.version);
  if (signed instanceof Snapshot) {
    const problems = Object.values(signed.meta).map(({ version }) => versionProblem(version));
    return problems.find((problem) => problem !== undefined);
  }
  if (signed instanceof Targets) return undefined;
  return rootProblem(signed);
}

/** A key that counts under two ids would meet a threshold of two alone. */
function rootProblem({ keys, roles }: Root): string | undefined {
  const material = Object.values(keys).map(keyMaterial);
  if (new Set(material).size !== material.length) return 'one key is there under two ids';
  const fractional = Object.values(roles).some(({ threshold }) => !Number.isSafeInteger(threshold));
  return fractional ? 'a threshold is no whole number' : undefined;
}
