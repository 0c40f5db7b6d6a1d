/**
 * Renewal: in the last third of its certificate's life the device asks the broker for the next one, proven by the one that it
 * has and for a new key. The one before stays good until it ends, so an answer that is lost costs nothing.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import { type BrokerOptions, chainPem, createBrokerClient, isPassing, lifeOf } from './broker-client.ts';
import type { Identity, IdentityFolder } from './identity.ts';
import { makeSigningRequest } from './signing-request.ts';

export type RenewalOptions = BrokerOptions & {
  identity: IdentityFolder;
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  random: () => number;
  /** The new key and certificate are on disk. */
  onRenewed: (identity: Identity) => void;
  onAttemptFailed: (failure: RenewalFailure) => void;
  /** For tests. */
  onFailPoint?: (point: 'next_key_kept' | 'certificate_issued' | 'identity_kept') => void;
  signal: AbortSignal;
};

/**
 * `retryMs`: when it is tried again. `byPerson`: a person has to do something first. `ended`: the certificate that the device has is no
 * longer good, so that only another enrolment helps.
 */
export type RenewalFailure = { reason: string; retryMs: number; byPerson: boolean; ended: boolean };

const callMs = 30_000;
const hourMs = 3_600_000;
const byPersonMs = 6 * hourMs;

/** Renews whenever it is due, until the signal comes. Rejects when the disk cannot be read. */
export async function keepRenewed(options: RenewalOptions): Promise<void> {
  const { identity, now, sleep, random, onRenewed, onAttemptFailed, signal } = options;
  for (;;) {
    await untilDue(options);
    for (let attempt = 1; ; attempt += 1) {
      const known = identity.read();
      if (signal.aborted || known === null) return;
      const failure = await tryOnce(known, options);
      if (failure === null) break;
      if (signal.aborted) return;
      const limitMs = failure.byPerson ? byPersonMs : Math.min(1000 * 2 ** Math.min(attempt - 1, 20), hourMs);
      const retryMs = Math.round(limitMs * (0.5 + random() / 2));
      onAttemptFailed({ ...failure, retryMs, ended: now() >= lifeOf(known.certificatePem).untilMs });
      await sleep(retryMs, signal);
    }
    const renewed = identity.read();
    if (renewed !== null) onRenewed(renewed);
    // Whatever a broker issues, and whatever this machine's clock says, it is not asked all the time.
    await sleep(hourMs, signal);
  }
}

/** Looked at every hour: timers stand still while a machine sleeps, and its clock may be set. */
async function untilDue({ identity, now, sleep, random, signal }: RenewalOptions): Promise<void> {
  // Spread, so that devices that were enrolled together do not come together.
  const share = 2 / 3 + random() / 12;
  const known = identity.read();
  if (known === null) return;
  const { fromMs, untilMs } = lifeOf(known.certificatePem);
  const dueMs = fromMs + (untilMs - fromMs) * share;
  while (!signal.aborted && now() < dueMs) await sleep(Math.min(dueMs - now(), hourMs), signal);
}

/** Null when the new identity is on disk. */
async function tryOnce(
  known: Identity,
  options: RenewalOptions,
): Promise<Pick<RenewalFailure, 'reason' | 'byPerson'> | null> {
  const { identity, signal, onFailPoint } = options;
  try {
    const keyPem = identity.nextKey();
    onFailPoint?.('next_key_kept');
    const signingRequest = await makeSigningRequest(keyPem);
    const client = createBrokerClient(options, { cert: known.certificatePem, key: known.keyPem });
    const { certificate } = await client.renewCertificate({ signingRequest }, { timeoutMs: callMs, signal });
    onFailPoint?.('certificate_issued');
    const certificatePem = chainPem(certificate);
    const problem = problemOf(certificatePem, keyPem, known);
    if (problem !== null) return { reason: problem, byPerson: true };
    identity.keep({ ...known, certificatePem, keyPem });
    onFailPoint?.('identity_kept');
    return null;
  } catch (error) {
    // What is no answer, as that of a full disk, passes by itself or is said elsewhere.
    if (!(error instanceof ConnectError)) return { reason: String(error), byPerson: false };
    const { code, rawMessage } = error;
    return { reason: `${Code[code]}: ${rawMessage}`.slice(0, 300), byPerson: !isPassing(code) };
  }
}

/** Why the answer is of no use; null: it is what was asked for. */
function problemOf(certificatePem: string, keyPem: string, known: Identity): string | null {
  const next = new X509Certificate(certificatePem);
  const { subject } = new X509Certificate(known.certificatePem);
  if (!next.checkPrivateKey(createPrivateKey(keyPem))) return 'the broker certified another key';
  if (next.subject !== subject) return `the broker certified another device than ${known.deviceId}`;
  const longer = next.validToDate.getTime() > lifeOf(known.certificatePem).untilMs;
  return longer
    ? null
    : 'the new certificate ends no later than the one before: look at the authority of the broker';
}
