/**
 * A key in Azure Key Vault, or in its Managed HSM, as a signer: the private half never leaves it. By the REST API 7.4: "Get Key" once, for
 * the public half, and "Sign" with ES384 for each signature, which is checked here before anybody relies on it.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { publicKeyOf, type Signer } from './keys.ts';

export type KeyVaultOptions = {
  /** One version of a key, `https://VAULT.vault.azure.net/keys/NAME/VERSION`: metadata name keys by their bytes, and a version is one. */
  keyId: string;
  /** A bearer token for `https://vault.azure.net`, whose holder may get the key and sign with it. Called for each request. */
  token: () => Promise<string>;
  fetch?: typeof fetch;
  /** How long one request may take, in ms. Default 15,000. */
  timeoutMs?: number;
};

/** The vault does not do what is asked. `retryable`: the same may succeed later. Never holds a token. */
export class KeyVaultError extends Error {
  override readonly name = 'KeyVaultError';
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, { cause });
    this.retryable = retryable;
  }
}

const apiVersion = '7.4';
/** A key with its tags is a few KiB. */
const maxAnswerBytes = 64 * 1024;
/** Both halves of a signature over P-384. */
const halfBytes = 48;

/** Throws a KeyVaultError for a key that cannot sign metadata. */
export async function openKeyVaultSigner(options: KeyVaultOptions): Promise<Signer> {
  const keyId = keyIdOf(options.keyId);
  const ask = createCall(options, keyId);
  const publicKey = publicHalf(await ask('GET', ''), keyId);
  return {
    key: publicKeyOf(publicKey),
    async sign(bytes) {
      const value = createHash('sha384').update(bytes).digest('base64url');
      const answer = await ask('POST', '/sign', { alg: 'ES384', value });
      const signature = Buffer.from(String(answer.value), 'base64url');
      const isRight =
        answer.kid === keyId &&
        signature.length === 2 * halfBytes &&
        verify('sha384', bytes, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
      if (!isRight) throw new KeyVaultError(`${keyId} answered with no signature of its own`, false);
      return derOf(signature);
    },
  };
}

function keyIdOf(text: string): string {
  const id = URL.parse(text);
  if (
    id?.protocol === 'https:' &&
    `${id.origin}${id.pathname}` === text &&
    /^\/keys\/[0-9A-Za-z-]{1,127}\/[0-9a-f]{32}$/.test(id.pathname)
  )
    return text;
  throw new KeyVaultError(`${text} names no version of a key: https://VAULT/keys/NAME/VERSION`, false);
}

type Answer = Record<string, unknown>;
type Call = (method: 'GET' | 'POST', path: string, body?: object) => Promise<Answer>;

function createCall({ token, timeoutMs = 15_000, ...options }: KeyVaultOptions, keyId: string): Call {
  const request = options.fetch ?? fetch;
  const noToken = (cause: unknown): never => {
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    throw new KeyVaultError(`there is no token for ${keyId}${why}`, true, cause);
  };
  return async (method, path, body) => {
    const authorization = `Bearer ${await token().catch(noToken)}`;
    let status: number;
    let answer: Answer | null;
    try {
      const response = await request(`${keyId}${path}?api-version=${apiVersion}`, {
        method,
        headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
        // A token is for the vault alone.
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      status = response.status;
      answer = await readJson(response);
    } catch (cause) {
      if (cause instanceof KeyVaultError) throw cause;
      throw new KeyVaultError(`${keyId} is not reached`, true, cause);
    }
    if (status === 200 && answer !== null) return answer;
    const { code, message } = (answer?.error ?? {}) as { code?: unknown; message?: unknown };
    const said = typeof code === 'string' ? ` ${code}: ${String(message ?? '').slice(0, 300)}` : '';
    throw new KeyVaultError(`${keyId} answered ${status}${said}`, status === 429 || status >= 500);
  };
}

/** Null: it is no JSON object. */
async function readJson(response: Response): Promise<Answer | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > maxAnswerBytes) throw new KeyVaultError('the vault answered with more than a key', false);
    pieces.push(piece);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'));
    return typeof value === 'object' ? (value as Answer | null) : null;
  } catch {
    return null;
  }
}

function publicHalf({ key, attributes }: Answer, keyId: string): KeyObject {
  const { kid, kty, crv, x, y, key_ops: operations } = (key ?? {}) as Answer;
  const { enabled } = (attributes ?? {}) as Answer;
  const unfit = (why: string) => new KeyVaultError(`${keyId} ${why}`, false);
  if (kid !== keyId) throw unfit('was asked for, and another key came');
  if ((kty !== 'EC' && kty !== 'EC-HSM') || crv !== 'P-384') throw unfit('is no ECDSA key over P-384');
  if (enabled !== true) throw unfit('is disabled');
  if (!Array.isArray(operations) || !operations.includes('sign')) throw unfit('may not sign');
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x: String(x), y: String(y) } });
  } catch (cause) {
    throw new KeyVaultError(`${keyId} has no point of the curve`, false, cause);
  }
}

/** The vault answers with both numbers side by side; metadata have them as a DER sequence of two integers. */
function derOf(signature: Buffer): Buffer {
  const body = Buffer.concat(
    [signature.subarray(0, halfBytes), signature.subarray(halfBytes)].map(integerOf),
  );
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

function integerOf(number: Buffer): Buffer {
  const first = number.findIndex((byte) => byte !== 0);
  const digits = number.subarray(first < 0 ? number.length - 1 : first);
  const padded = digits[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits;
  return Buffer.concat([Buffer.of(0x02, padded.length), padded]);
}
