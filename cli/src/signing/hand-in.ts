/** Brings a pack's signature to the fleet, so that it can be published. */
import { Code, ConnectError } from '@connectrpc/connect';
import { MetadataRejectedSchema } from '@iotdh/proto/fleet/v1';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Found, fetchMetadata, type TrustClient } from './fleet-metadata.ts';
import { keyFiles, needsPassphrase, openKey, rootBeside } from './key-folder.ts';
import { isSigned, overtaken, type PackToSign, pendingTargets, signPack } from './sign-pack.ts';
import { maySign } from './sign-targets.ts';
import { type Anchor, readAnchor, trustedIn } from './trusted-metadata.ts';

export type HandInOptions = {
  trust: TrustClient;
  pack: PackToSign;
  /** A folder of keys to sign with now, with the root that is trusted beside them. Empty: the signatures are in the pack, or in the fleet. */
  keysFolder: string;
  nowMs: () => number;
  signal: AbortSignal;
};

/** `signed`: here and now, with the keys of the folder. `handed_in`: by those who signed before. `nothing`: it is not signed. */
export type HandedIn =
  | { kind: 'signed' | 'handed_in'; version: number; keys: number }
  | { kind: 'known' | 'nothing' };

const attempts = 8;

/** Throws a `Failure` when signatures are lacking. */
export async function handIn(options: HandInOptions): Promise<HandedIn> {
  const { trust, pack, keysFolder, nowMs, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    const found = await fetchMetadata(trust, signal);
    const anchor = keysFolder === '' ? newestOf(found) : readAnchor(rootBeside(keysFolder));
    if (anchor === null) return { kind: 'nothing' };
    const repository = trustedIn(found, anchor);
    const waiting = pendingTargets(repository, pack);
    // What is signed already is handed in all the same when somebody has renewed it.
    if (isSigned(repository, pack) && waiting?.threshold.met !== true) return { kind: 'known' };
    const signers = keysFolder === '' ? [] : keyFiles(keysFolder).map(openUnencrypted);
    const areOurs = signers.some((signer) => maySign(repository, signer));
    const gone = waiting === null && !areOurs ? overtaken(repository, pack) : null;
    if (gone !== null) {
      const now = repository.targets?.metadata.signed.version;
      throw new Failure(
        exitCode.failed,
        `targets ${gone}, which were signed for this pack, were overtaken: targets ${now} are in force, and do not sign it`,
        { next: 'All who signed it sign once more, the first of them with a link: iotdh pack sign' },
      );
    }
    // Keys that may not sign help nothing, and do not stand in the way of those who have signed.
    const signNow = signers.length > 0 && (waiting === null || (areOurs && !waiting.threshold.met));
    const signed = signNow ? await signPack(repository, pack, signers, nowMs()) : waiting;
    if (signed === null) return { kind: 'nothing' };
    const { threshold, bytes, targets } = signed;
    if (!threshold.met) {
      throw new Failure(
        exitCode.failed,
        `targets ${targets.signed.version} have ${threshold.signed.length} of the ${threshold.needed} signatures that they need`,
        { next: 'Somebody else signs with: iotdh pack sign' },
      );
    }
    try {
      await trust.publishMetadata({ targets: bytes }, { signal });
      const kind = signNow ? 'signed' : 'handed_in';
      return { kind, version: targets.signed.version, keys: threshold.signed.length };
    } catch (error) {
      // Somebody else's pack was faster; what follows it is signed anew, if the keys are here.
      if (!signNow || attempt === attempts || !isOvertaken(error)) throw error;
    }
  }
}

/** Where nothing is signed here, the fleet's word is enough: it judges what is handed in itself. */
function newestOf({ roots }: Found): Anchor | null {
  const newest = roots.at(-1);
  return newest === undefined ? null : { name: 'the newest', bytes: newest.bytes };
}

function openUnencrypted(path: string) {
  if (needsPassphrase(path)) {
    throw new Failure(exitCode.usage, `${path} has a passphrase`, {
      next: 'Sign with: iotdh pack sign, and then upload the pack',
    });
  }
  return openKey(path, null);
}

function isOvertaken(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.InvalidArgument) return false;
  return error.findDetails(MetadataRejectedSchema).some(({ rule }) => rule === 'wrong_version');
}
