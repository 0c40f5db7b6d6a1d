/** Two people replace a lost key, and a device that knows the first root only follows them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { TrustService } from '@iotdh/proto/fleet/v1';
import { MetadataRole } from '@iotdh/proto/update/v1';
import {
  acceptRoot,
  acceptTargets,
  addSignature,
  encodeMetadata,
  generatePrivateKey,
  type Key,
  keySigner,
  makeSnapshot,
  makeTimestamp,
  nextTargets,
  type SignedManifest,
} from '@iotdh/trust/author';
import { createDeviceTrust, memoryStorage } from '@iotdh/trust/device';
import { startFakeFleet } from '../testing/fake-fleet.ts';
import { parsedRoot, parsedTargets } from './fleet-metadata.ts';
import { initialise, openKey } from './key-folder.ts';

const nowMs = Date.UTC(2026, 10, 23, 12);
const manifest: SignedManifest = {
  ...{ name: 'carto', version: '8.2', kind: 'patch', size: 5 },
  digest: createHash('sha256').update('carto').digest('hex'),
};

test('a lost key is replaced by two people, one of them without a link, and devices follow', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-rotate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [keys, stick] = [join(folder, 'keys'), join(folder, 'stick')];
  const online = [0, 1].map(() => keySigner(generatePrivateKey('ed25519')));
  const [snapshotSigner, timestampSigner] = [online[0]!, online[1]!];
  const beginning = await initialise({
    ...{ folder: keys, type: 'ed25519', passphrase: null, nowMs },
    ...{ root: { keys: 2, threshold: 2 }, targets: { keys: 1, threshold: 1 } },
    online: { snapshot: snapshotSigner.key, timestamp: timestampSigner.key },
  });
  const lost = openKey(join(keys, 'targets-1.pem'), null);
  const signed = nextTargets(parsedTargets(beginning.targets).signed, { add: [manifest] }, nowMs);
  await addSignature(signed, lost);
  // The fleet's side: as the API takes them in.
  const roots: Uint8Array[] = [beginning.root];
  let targets: Uint8Array = encodeMetadata(signed);
  const message = ({ keyID, keyType, scheme, keyVal }: Key) => ({
    ...{ keyId: keyID, keyType, scheme, publicKey: String(keyVal.public) },
  });
  const files = () => [
    ...roots.map((_bytes, index) => ({ role: MetadataRole.ROOT, version: BigInt(index + 1) })),
    { role: MetadataRole.TARGETS, version: BigInt(parsedTargets(targets).signed.version) },
  ];
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(TrustService, {
      getTrust: () => ({
        files: files().map((file) => ({ ...file, digest: new Uint8Array(32), size: 1 })),
        snapshotKey: message(snapshotSigner.key),
        timestampKey: message(timestampSigner.key),
      }),
      getMetadata: ({ role, version }) => ({
        metadata: role === MetadataRole.ROOT ? roots[Number(version) - 1]! : targets,
      }),
      publishMetadata(offered) {
        const [root = new Uint8Array()] = offered.roots;
        const accepted = acceptRoot(parsedRoot(roots.at(-1)!).signed, root);
        if (accepted.kind === 'refused') throw new ConnectError(accepted.detail, Code.InvalidArgument);
        const { signed: next } = accepted.metadata;
        const taken = acceptTargets(next, parsedTargets(targets).signed, offered.targets, nowMs);
        if (taken.kind === 'refused') throw new ConnectError(taken.detail, Code.InvalidArgument);
        roots.push(root);
        targets = offered.targets;
        return {};
      },
    }),
  );
  const storage = memoryStorage();
  const device = createDeviceTrust({
    ...{ storage, anchor: beginning.root, builtAtMs: nowMs, uptimeMs: () => 0, wallMs: () => nowMs },
  });
  let version = 0;
  const verdict = async (bytes: Uint8Array) => {
    version += 1;
    const of = parsedTargets(bytes).signed.version;
    const online = { version, nowMs: nowMs + version * 1_000 };
    const snapshot = await makeSnapshot({ version: of, bytes }, { ...online, signer: snapshotSigner });
    const timestamp = await makeTimestamp(
      { version, bytes: snapshot },
      { ...online, signer: timestampSigner },
    );
    const brought = roots.map((root, index) => ({ role: 'root' as const, version: index + 1, bytes: root }));
    const others = [
      { role: 'targets' as const, version: of, bytes },
      { role: 'snapshot' as const, version, bytes: snapshot },
      { role: 'timestamp' as const, version, bytes: timestamp },
    ];
    return device.verify(manifest, [...brought, ...others], `transfer ${version}`);
  };
  assert.equal((await verdict(targets)).kind, 'signed');

  // The first: nothing is in force with one signature of two.
  const rootKey = (number: number) => join(keys, `root-${number}.pem`);
  const change = [
    '--remove',
    lost.key.keyID.slice(0, 12),
    '--new-targets',
    '1',
    '--type',
    'ed25519',
    '--no-encrypt',
  ];
  const rotate = (...args: string[]) => iotdh('keys', 'rotate', stick, ...args, '-o', 'table');
  const nothing = await rotate();
  assert.match(nothing.notes, /nothing waits in .*, and nothing is to change/);
  const first = await rotate('--key', rootKey(1), ...change);
  assert.equal(first.code, 0, first.notes);
  assert.match(
    first.out,
    /1 of 2 signatures that root 1 asks for\n {2}1 of 2 signatures that root 2 asks for/,
  );
  assert.match(first.out, /1 of 1 signatures of the targets, made anew/);
  const again = await rotate('--key', rootKey(1));
  assert.match(again.out, /1 of 2 signatures that root 1/, 'the same key twice is one signature');
  assert.match((await rotate('--key', rootKey(2), ...change)).notes, /root 2 waits in .* for signatures/);
  assert.match((await rotate('--key', join(keys, 'targets-1.pem'))).notes, /has nothing to sign here/);
  assert.equal(roots.length, 1);

  // The second has no link, and whoever brings the folder back needs no key.
  const second = await rotate('--key', rootKey(2), '--offline');
  assert.equal(second.code, 0, second.notes);
  assert.match(second.out, /targets: no longer .*\n {2}targets: now /);
  assert.equal(roots.length, 1);
  const last = await rotate();
  assert.match(last.out, /^In force root 2/);
  assert.equal(roots.length, 2);
  assert.deepEqual(
    readdirSync(stick).filter((name) => name.startsWith('next.')),
    [],
  );
  assert.match((await rotate()).notes, /nothing waits/);

  const followed = await verdict(targets);
  assert.deepEqual(followed.kind === 'signed' && followed.versions, {
    ...{ root: 2, targets: 3, snapshot: 2, timestamp: 2 },
  });
  const forged = nextTargets(parsedTargets(targets).signed, {}, nowMs);
  await addSignature(forged, lost);
  const refusal = await verdict(encodeMetadata(forged));
  assert.equal(refusal.kind === 'refused' && refusal.rule, 'unsigned');
});
