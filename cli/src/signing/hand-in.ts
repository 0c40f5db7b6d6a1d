/** Brings a pack's signature to the fleet, so that it can be published. */
import { Code, ConnectError } from '@connectrpc/connect';
import { MetadataRejectedSchema } from '@iotdh/proto/fleet/v1';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { fetchMetadata, type TrustClient } from './fleet-metadata.ts';
import { keyFiles, needsPassphrase, openKey } from './key-folder.ts';
import { isSigned, type PackToSign, pendingTargets, signPack } from './sign-pack.ts';

export type HandInOptions = {
  trust: TrustClient;
  pack: PackToSign;
  /** A folder of keys to sign with now. Empty: the signatures are in the pack, or in the fleet. */
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
    const fleet = await fetchMetadata(trust, signal);
    if (isSigned(fleet, pack)) return { kind: 'known' };
    const waiting = pendingTargets(fleet, pack);
    const signers = keysFolder === '' ? [] : keyFiles(keysFolder).map(openUnencrypted);
    const signNow = signers.length > 0 && waiting?.threshold.met !== true;
    const signed = signNow ? await signPack(fleet, pack, signers, nowMs()) : waiting;
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
