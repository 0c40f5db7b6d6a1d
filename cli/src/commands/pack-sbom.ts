/** `iotdh pack sbom`: the bill of materials that was signed with a pack, of a folder on this machine or in the fleet's keeping. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { BlockBlobClient, RestError } from '@azure/storage-blob';
import { BlobPurpose } from '@iotdh/proto/broker/v1';
import type { Pack } from '@iotdh/proto/fleet/v1';
import { signedManifests } from '@iotdh/trust/author';
import { findPack } from '../connection/find-pack.ts';
import type { Fleet } from '../connection/fleet.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { hexText } from '../output/words.ts';
import { maxSbomBytes } from '../pack-build/pack-folder.ts';
import { fetchMetadata } from '../signing/fleet-metadata.ts';
import { readAnchor, trustedIn } from '../signing/trusted-metadata.ts';
import type { Terminal } from '../terminal.ts';
import { openSigned, type VerifyOptions } from './verify.ts';

type Proven = { bytes: Uint8Array; name: string; root: number; targets: number };

/** `fleet` connects, which a folder does without. */
export async function printSbom(
  terminal: Terminal,
  word: string,
  options: VerifyOptions,
  fleet: () => Promise<Fleet>,
): Promise<void> {
  const isHere = (await stat(word).catch(() => undefined)) !== undefined;
  const proven = isHere
    ? await fromFolder(word, options.root)
    : await fromFleet(await fleet(), word, options.root, terminal.signal);
  terminal.out(Buffer.from(proven.bytes).toString('utf8'));
  const { name, root, targets } = proven;
  terminal.note(`Signed with ${name}, by root ${root}, targets ${targets}.`);
}

const lacking = (what: string): Failure =>
  new Failure(exitCode.notFound, `${what} has no bill of materials`, {
    next: 'Build it again: iotdh pack build',
  });

async function fromFolder(path: string, rootFile: string): Promise<Proven> {
  const { pack, root, targets } = await openSigned(path, rootFile);
  if (pack.sbom === null) throw lacking(path);
  return { bytes: pack.sbom.bytes, name: `${pack.manifest.name}@${pack.manifest.version}`, root, targets };
}

async function fromFleet(fleet: Fleet, word: string, rootFile: string, signal: AbortSignal): Promise<Proven> {
  const pack = await findPack(fleet, word, { assignable: false, signal });
  const { manifest, sbom } = pack;
  const name = `${manifest?.name}@${manifest?.version}`;
  if (manifest === undefined || sbom === undefined) throw lacking(name);
  const repository = trustedIn(await fetchMetadata(fleet.trust, signal), readAnchor(rootFile));
  const { version: root } = repository.root.signed;
  const targets = repository.targets?.metadata.signed;
  const isSigned =
    targets !== undefined &&
    signedManifests(targets).some(
      (one) => one.digest === hexText(manifest.digest) && one.sbom?.digest === hexText(sbom.digest),
    );
  if (!isSigned) {
    throw new Failure(exitCode.failed, `nobody whom root ${root} names has signed ${name} as it is`);
  }
  return {
    bytes: await download(fleet, pack, signal),
    name,
    root,
    targets: targets.version,
  };
}

async function download({ broker }: Fleet, { packId, sbom }: Pack, signal: AbortSignal): Promise<Buffer> {
  const { digest = new Uint8Array(), size = 0 } = sbom ?? {};
  if (size > maxSbomBytes) throw new Failure(exitCode.failed, `the bill has more than ${maxSbomBytes} bytes`);
  const request = { purpose: BlobPurpose.READ_SBOM, subjectId: packId, objectDigests: [digest] };
  const { accesses } = await broker.issueBlobAccess(request, { signal });
  try {
    const blob = new BlockBlobClient(accesses[0]?.url ?? '');
    const bytes = await blob.downloadToBuffer(0, size, { abortSignal: signal });
    if (createHash('sha256').update(bytes).digest().equals(digest)) return bytes;
  } catch (error) {
    // Its message may show the address, which holds a signature.
    if (!(error instanceof RestError)) throw error;
    const code = error.statusCode === undefined ? exitCode.unreachable : exitCode.failed;
    throw new Failure(code, `the bill of materials was not read: ${error.code ?? 'no answer'}`);
  }
  throw new Failure(
    exitCode.failed,
    `the bill of materials ${hexText(digest)} is damaged in the fleet's keeping`,
  );
}
