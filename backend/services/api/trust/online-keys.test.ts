/** Keys in a folder and in Key Vault, the latter by answers in the form of Microsoft's documentation. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { generatePrivateKey, publicKeyOf } from '@iotdh/trust/author';
import { openOnlineKeys } from './online-keys.ts';

const version = '78deebed173b48e48f55abf87ed4cf71';
const idOf = (name: string) => `https://iotdh.vault.azure.net/keys/${name}/${version}`;
const keys = { snapshot: generatePrivateKey(), timestamp: generatePrivateKey() };
const text = Buffer.from('what is signed');
const digest = createHash('sha384').update(text).digest('base64url');

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-online-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Microsoft Entra ID and a vault. */
function azure(refusal?: object) {
  const exchanges: Record<string, string>[] = [];
  const request: typeof fetch = async (input, { method, headers, body } = {}) => {
    const url = new URL(String(input));
    if (url.host === 'login.microsoftonline.com') {
      assert.deepEqual([url.pathname, method], ['/a-tenant/oauth2/v2.0/token', 'POST']);
      exchanges.push(Object.fromEntries(body as URLSearchParams));
      if (refusal !== undefined) return Response.json(refusal, { status: 401 });
      const access_token = `token-${exchanges.length}`;
      return Response.json({ token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token });
    }
    const { authorization = '' } = headers as Record<string, string>;
    assert.match(authorization, /^Bearer token-\d$/);
    const name = url.pathname.split('/')[2] as keyof typeof keys;
    const { x, y } = createPublicKey(keys[name]).export({ format: 'jwk' });
    if (method === 'GET') {
      const key = { kid: idOf(name), kty: 'EC', key_ops: ['sign', 'verify'], crv: 'P-384', x, y };
      return Response.json({ key, attributes: { enabled: true, recoveryLevel: 'Recoverable' } });
    }
    assert.deepEqual(JSON.parse(String(body)), { alg: 'ES384', value: digest });
    const value = sign('sha384', text, { key: keys[name], dsaEncoding: 'ieee-p1363' }).toString('base64url');
    return Response.json({ kid: idOf(name), value });
  };
  return { request, exchanges };
}

function settingsIn(folder: string) {
  const federatedTokenFile = join(folder, 'token');
  writeFileSync(federatedTokenFile, 'the-pods-token\n');
  return {
    ...{ trustKeyFolder: undefined, snapshotKeyId: idOf('snapshot'), timestampKeyId: idOf('timestamp') },
    ...{ tenantId: 'a-tenant', clientId: 'a-client', federatedTokenFile },
    authorityHost: 'https://login.microsoftonline.com/',
  };
}

test('keys in a vault sign with the tokens that the pod’s own buys, each for as long as it is good', async (t) => {
  const { request, exchanges } = azure();
  let nowMs = Date.UTC(2026, 10, 30);
  const opened = await openOnlineKeys(settingsIn(temporaryFolder(t)), { fetch: request, now: () => nowMs });
  for (const role of ['snapshot', 'timestamp'] as const) {
    assert.deepEqual(opened[role].key.toJSON(), publicKeyOf(keys[role]).toJSON());
    assert.ok(verify('sha384', text, keys[role], await opened[role].sign(text)));
  }
  assert.deepEqual(exchanges, [
    {
      grant_type: 'client_credentials',
      client_id: 'a-client',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'the-pods-token',
      scope: 'https://vault.azure.net/.default',
    },
  ]);
  nowMs += 3_400_000;
  await opened.timestamp.sign(text);
  assert.equal(exchanges.length, 2);
});

test('what Entra ID refuses is told without a token', async (t) => {
  const { request } = azure({ error: 'invalid_client', error_description: 'AADSTS700016: the-pods-token' });
  const opening = openOnlineKeys(settingsIn(temporaryFolder(t)), { fetch: request, now: Date.now });
  await assert.rejects(opening, (refused: Error) => {
    assert.match(refused.message, /gives client a-client no token \(401: invalid_client\)/);
    assert.doesNotMatch(refused.message, /the-pods-token/);
    return true;
  });
});

test('without a vault the keys are made in a folder, once; half a vault, or neither, is refused', async (t) => {
  const folder = temporaryFolder(t);
  const none = {
    ...settingsIn(folder),
    ...{ snapshotKeyId: undefined, timestampKeyId: undefined },
  };
  const inFolder = { ...none, trustKeyFolder: join(folder, 'keys') };
  const ways = { now: Date.now };
  const first = await openOnlineKeys(inFolder, ways);
  assert.equal(statSync(join(folder, 'keys', 'timestamp.pem')).mode & 0o777, 0o600);
  assert.equal((await openOnlineKeys(inFolder, ways)).timestamp.key.keyID, first.timestamp.key.keyID);
  await assert.rejects(openOnlineKeys(none, ways), /TRUST_KEY_FOLDER.*TRUST_SNAPSHOT_KEY/);
  const half = { ...inFolder, snapshotKeyId: idOf('snapshot') };
  const { request, exchanges } = azure();
  await assert.rejects(openOnlineKeys(half, { ...ways, fetch: request }), /TRUST_TIMESTAMP_KEY is missing/);
  assert.deepEqual(exchanges, [], 'nobody is asked for the half that is there');
  const without = { ...settingsIn(folder), clientId: undefined };
  await assert.rejects(openOnlineKeys(without, ways), /AZURE_CLIENT_ID is missing/);
});
