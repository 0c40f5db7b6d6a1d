/** Answers in the form of Microsoft's documentation of "Get Key" and "Sign" (api-version 7.4); the key behind them is this test's. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, sign as signWith, verify } from 'node:crypto';
import { test } from 'node:test';
import { readMetadata } from '../format/read-metadata.ts';
import { KeyVaultError, openKeyVaultSigner } from './key-vault.ts';
import { generatePrivateKey, keySigner, publicKeyOf } from './keys.ts';
import { makeSnapshot } from './online.ts';
import { makeRoot } from './roots.ts';
import { thresholdOf } from './sign.ts';

const keyId = 'https://iotdh.vault.azure.net/keys/snapshot/78deebed173b48e48f55abf87ed4cf71';
const privateKey = generatePrivateKey();
const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' });

const bundle = (key: object = {}, attributes: object = {}) => ({
  key: { kid: keyId, kty: 'EC-HSM', key_ops: ['sign', 'verify'], crv: 'P-384', x, y, ...key },
  attributes: {
    ...{
      enabled: true,
      created: 1_493_942_451,
      updated: 1_493_942_451,
      recoveryLevel: 'Recoverable+Purgeable',
    },
    ...attributes,
  },
  tags: {},
});
const error = (code: string, message: string) => ({ error: { code, message } });

type Given = { status?: number; body: object | string };
type Asked = { url: string; method: string; authorization: string; body: unknown };

/** A vault that answers "Get Key" with `got`, and "Sign" as it should unless it is told what to say. */
function vault(got: Given = { body: bundle() }, signed?: Given) {
  const asked: Asked[] = [];
  const answer = ({ status = 200, body }: Given) =>
    new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  const request: typeof fetch = async (url, { method = 'GET', headers, body, redirect } = {}) => {
    assert.equal(redirect, 'error');
    const { authorization = '' } = headers as Record<string, string>;
    const given = body === undefined ? undefined : JSON.parse(String(body));
    asked.push({ url: String(url), method, authorization, body: given });
    if (method === 'GET') return answer(got);
    return answer(signed ?? { body: { kid: keyId, value: signature(String(given.value)) } });
  };
  return { asked, options: { keyId, fetch: request, token: async () => 'a-token' } };
}

/** The vault is given a digest and signs that; Node signs only what it hashes itself, so the test remembers which text a digest is of. */
const texts = new Map<string, Uint8Array>();
const signature = (digest: string) =>
  signWith('sha384', texts.get(digest) ?? Buffer.alloc(0), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  }).toString('base64url');

/** A signer whose texts the vault of this test knows. */
async function signerOf({ options }: ReturnType<typeof vault>) {
  const signer = await openKeyVaultSigner(options);
  return {
    key: signer.key,
    sign(bytes: Uint8Array) {
      texts.set(createHash('sha384').update(bytes).digest('base64url'), bytes);
      return signer.sign(bytes);
    },
  };
}

test('metadata are signed by a key that never leaves the vault, and a root that names it takes them', async () => {
  const made = vault();
  const signer = await signerOf(made);
  assert.deepEqual(signer.key.toJSON(), publicKeyOf(privateKey).toJSON());
  const nowMs = Date.UTC(2026, 10, 30);
  const bytes = await makeSnapshot({ version: 1, bytes: Buffer.from('{}') }, { version: 1, nowMs, signer });
  const [get, post = assert.fail()] = made.asked;
  assert.deepEqual(get, {
    ...{ url: `${keyId}?api-version=7.4`, method: 'GET', authorization: 'Bearer a-token', body: undefined },
  });
  assert.deepEqual([post.url, post.method], [`${keyId}/sign?api-version=7.4`, 'POST']);
  const { alg, value } = post.body as { alg: string; value: string };
  assert.deepEqual([alg, Buffer.from(value, 'base64url').length], ['ES384', 48]);
  const one = { keys: [signer.key], threshold: 1 };
  const root = makeRoot({ root: one, targets: one, snapshot: one, timestamp: one }, 1, nowMs);
  const read = readMetadata('snapshot', bytes);
  assert.ok(read.kind !== 'refused');
  assert.ok(thresholdOf(root.signed, 'snapshot', read.metadata).met);
});

test('whatever the halves of a signature begin with, it is the DER that others read', async () => {
  const signer = await signerOf(vault());
  for (let n = 0; n < 300; n += 1) {
    const bytes = Buffer.from(`text ${n}`);
    assert.ok(verify('sha384', bytes, privateKey, await signer.sign(bytes)));
  }
});

const rsa = { kty: 'RSA', n: '2HJAE5fU3Cw2Rt9hEuq-F6XjINKGa', e: 'AQAB' };
const refusals: [title: string, got: Given, expected: RegExp, retryable?: boolean][] = [
  ['another kind of key', { body: bundle(rsa) }, /no ECDSA key over P-384/],
  ['another curve', { body: bundle({ crv: 'P-256' }) }, /no ECDSA key over P-384/],
  ['a point that is none', { body: bundle({ x: 'AAAA' }) }, /no point of the curve/],
  ['a key that may only verify', { body: bundle({ key_ops: ['verify'] }) }, /may not sign/],
  ['a key that is disabled', { body: bundle({}, { enabled: false }) }, /is disabled/],
  ['another version of the key', { body: bundle({ kid: `${keyId.slice(0, -1)}0` }) }, /another key came/],
  [
    'no token',
    { status: 401, body: error('Unauthorized', 'AKV10000: no token') },
    /401 Unauthorized: AKV10000/,
  ],
  ['no right', { status: 403, body: error('Forbidden', 'lacks keys/get') }, /403 Forbidden: lacks keys\/get/],
  ['no such key', { status: 404, body: error('KeyNotFound', 'not found') }, /404 KeyNotFound/],
  ['too many calls', { status: 429, body: error('Throttled', 'later') }, /429 Throttled/, true],
  ['an outage', { status: 503, body: 'Service Unavailable' }, /answered 503/, true],
  ['more than a key', { body: 'x'.repeat(70_000) }, /more than a key/],
];

test('a key that cannot sign, and a vault that refuses, are named; only what may pass is to be tried again', async () => {
  for (const [title, got, expected, retryable = false] of refusals) {
    await assert.rejects(openKeyVaultSigner(vault(got).options), (refused: unknown) => {
      assert.ok(refused instanceof KeyVaultError, title);
      assert.match(refused.message, expected, title);
      assert.equal(refused.retryable, retryable, title);
      assert.doesNotMatch(refused.message, /a-token/);
      return true;
    });
  }
  const { options } = vault();
  for (const wrong of [keyId.replace('https', 'http'), keyId.replace(/\/[^/]*$/, ''), `${keyId}?x=1`, 'no'])
    await assert.rejects(openKeyVaultSigner({ ...options, keyId: wrong }), /names no version of a key/);
  const token = async () => Promise.reject(new Error('the pod has no token'));
  await assert.rejects(openKeyVaultSigner({ ...options, token }), {
    retryable: true,
    message: /no token for .*: the pod has no token$/,
  });
  const away: typeof fetch = async () => Promise.reject(new TypeError('fetch failed'));
  await assert.rejects(openKeyVaultSigner({ ...options, fetch: away }), {
    retryable: true,
    message: /not reached/,
  });
});

test('a signature that is another key’s, or of another text, is given to nobody', async () => {
  const others = signWith('sha384', Buffer.from('text'), {
    key: generatePrivateKey(),
    dsaEncoding: 'ieee-p1363',
  });
  const der = Buffer.from(await keySigner(privateKey).sign(Buffer.from('text')));
  for (const value of [others, der, Buffer.alloc(96), Buffer.alloc(0)]) {
    const made = vault(undefined, { body: { kid: keyId, value: value.toString('base64url') } });
    await assert.rejects((await signerOf(made)).sign(Buffer.from('text')), /no signature of its own/);
  }
});
