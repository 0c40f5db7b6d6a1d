/** Nobody counts twice towards a threshold, whatever a key and its id look like. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { encodeMetadata, Key, keyTypes, makeRoot, type RoleSetting } from '../author/index.ts';
import { newSigner } from '../testing/repository.ts';
import { readMetadata } from './read-metadata.ts';

const nowMs = Date.UTC(2026, 10, 23);
const [other, online] = [newSigner().key, newSigner().key];
const one = { keys: [online], threshold: 1 };

function judged(targets: RoleSetting, more: Record<string, unknown> = {}): string {
  const root = makeRoot(
    { root: { keys: [other], threshold: 1 }, targets, snapshot: one, timestamp: one },
    1,
    nowMs,
  );
  const json = JSON.parse(encodeMetadata(root).toString());
  Object.assign(json.signed.roles.targets, more);
  const read = readMetadata('root', Buffer.from(JSON.stringify(json)));
  return read.kind === 'read' ? 'read' : `${read.rule}: ${read.detail}`;
}

for (const type of keyTypes) {
  test(`one key of ${type} that is written in two ways, under two ids, is no second person`, () => {
    const { key } = newSigner(type);
    const written = String(key.keyVal.public);
    const pem = type === 'ed25519' ? pemOf(written) : written;
    const spellings = [
      ...[written, pem, pem.replaceAll('\n', '\r\n'), `${pem}of the second person\n`],
      ...(type === 'ed25519' ? [written.toUpperCase()] : [pointOf(pem), pointOf(pem).toUpperCase()]),
    ];
    for (const spelling of spellings) {
      const twin = Key.fromJSON('f'.repeat(64), { ...key.toJSON(), keyval: { public: spelling } });
      const refusal = judged({ keys: [key, twin], threshold: 2 });
      assert.match(refusal, /^malformed: .*one key is there under two ids/, JSON.stringify(spelling));
    }
    assert.equal(judged({ keys: [key, newSigner(type).key], threshold: 2 }), 'read');
  });
}

test('a threshold is a whole number, and a role names no key twice', () => {
  const two = [newSigner().key, newSigner().key];
  assert.match(judged({ keys: two, threshold: 2 }, { threshold: 1.5 }), /^malformed: .*no whole number/);
  const [first] = two.map(({ keyID }) => keyID);
  assert.match(judged({ keys: two, threshold: 2 }, { keyids: [first, first] }), /^malformed/);
});

const pemOf = (hex: string): string =>
  createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(hex, 'hex').toString('base64url') },
    format: 'jwk',
  })
    .export({ format: 'pem', type: 'spki' })
    .toString();

/** The point on the curve, which is the end of the key's DER. */
const pointOf = (pem: string): string =>
  createPublicKey(pem).export({ format: 'der', type: 'spki' }).subarray(-97).toString('hex');
