/**
 * Enrolment: a one-time token and a signing request against the device's certificate. Tried until it succeeds, because a
 * workstation is often switched on before its network is.
 */
import { readFileSync, rmSync } from 'node:fs';
import { Code, ConnectError } from '@connectrpc/connect';
import { type BrokerOptions, chainPem, createBrokerClient, isPassing, lifeOf } from './broker-client.ts';
import type { Identity, IdentityFolder } from './identity.ts';
import { makeSigningRequest } from './signing-request.ts';

export type EnrolOptions = BrokerOptions & {
  tokenFile: string;
  identity: IdentityFolder;
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  random: () => number;
  onAttemptFailed: (failure: EnrolFailure) => void;
  signal: AbortSignal;
};

/**
 * `retryMs`: when it is tried again; null: it is not, and the agent goes on with the identity that it has. `byPerson`: a person has to
 * do something first, such as to bring a new token.
 */
export type EnrolFailure = { reason: string; retryMs: number | null; byPerson: boolean };

const callMs = 30_000;
const maxRetryMs = 300_000;
/** How often a token that will not do is looked at again, in case somebody has replaced it. */
const byPersonMs = 60_000;
const maxTokenBytes = 512;

/**
 * The device's identity: the one on disk, or a new one, also in the place of one that has ended when there is a new token. Whether it
 * has ended is what `now` says, which may be wrong, so one that a token does not replace is still good. Null when the signal came
 * first. Rejects when the disk is broken.
 */
export async function enrol(options: EnrolOptions): Promise<Identity | null> {
  const { identity, now, signal, sleep, random, onAttemptFailed, tokenFile } = options;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    const known = identity.read();
    const hasEnded = known !== null && now() >= lifeOf(known.certificatePem).untilMs;
    if (known !== null && !(hasEnded && readToken(tokenFile) !== null)) {
      rmSync(tokenFile, { force: true });
      return known;
    }
    const failure = await tryOnce(options);
    if (failure === null) {
      rmSync(tokenFile, { force: true });
      return identity.read();
    }
    if (known !== null && failure.byPerson) {
      onAttemptFailed({ ...failure, retryMs: null });
      return known;
    }
    const waitMs = Math.min(1000 * 2 ** Math.min(attempt - 1, 10), maxRetryMs) * (0.5 + random() / 2);
    const retryMs = Math.round(failure.byPerson ? byPersonMs : waitMs);
    if (signal.aborted) break;
    onAttemptFailed({ ...failure, retryMs });
    await sleep(retryMs, signal);
  }
  return null;
}

/** Null when the identity is on disk. */
async function tryOnce(options: EnrolOptions): Promise<Omit<EnrolFailure, 'retryMs'> | null> {
  const { identity, signal } = options;
  const token = readToken(options.tokenFile);
  if (token === null) return { reason: 'there is no enrolment token to read', byPerson: true };
  const keyPem = identity.nextKey();
  const signingRequest = await makeSigningRequest(keyPem);
  try {
    const request = { enrolmentToken: token, signingRequest };
    const response = await createBrokerClient(options).enrolDevice(request, { timeoutMs: callMs, signal });
    if (response.hubHost === '') {
      return {
        reason: 'the broker names no hub, and this agent does not ask a provisioning service',
        byPerson: true,
      };
    }
    const { deviceId, hubHost, certificate } = response;
    const before = identity.read()?.deviceId ?? deviceId;
    if (before !== deviceId) {
      const reason = `the token is of ${deviceId}, and what this agent remembers is of ${before}: bring one of ${before}, or empty its data folder`;
      return { reason, byPerson: true };
    }
    identity.keep({ deviceId, hubHost, certificatePem: chainPem(certificate), keyPem });
    return null;
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    const reason = `${Code[code]}: ${rawMessage}`.replaceAll(token, '[token]').slice(0, 300);
    return { reason, byPerson: !isPassing(code) };
  }
}

function readToken(path: string): string | null {
  try {
    const token = readFileSync(path, 'utf8').trim();
    return token.length === 0 || Buffer.byteLength(token) > maxTokenBytes ? null : token;
  } catch {
    // Its absence is said by the caller, as is a file that may not be read.
    return null;
  }
}
