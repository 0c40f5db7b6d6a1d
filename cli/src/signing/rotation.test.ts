/** Two people replace a lost key, and a device that knows the first root only follows them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  addSignature,
  encodeMetadata,
  makeSnapshot,
  makeTimestamp,
  nextTargets,
  type SignedManifest,
} from '@iotdh/trust/author';
import { createDeviceTrust, memoryStorage } from '@iotdh/trust/device';
import { parsedTargets } from './fleet-metadata.ts';
import { openKey } from './key-folder.ts';
import { createAuthor, nowMs, type Served, serve } from './testing/fleet.ts';

const manifest: SignedManifest = {
  ...{ name: 'carto', version: '8.2', kind: 'patch', size: 5 },
  digest: createHash('sha256').update('carto').digest('hex'),
};

test('a lost key is replaced by two people, one of them without a link, and devices follow', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-rotate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [keys, stick] = [join(folder, 'keys'), join(folder, 'stick')];
  const author = await createAuthor(keys, {
    ...{ root: { keys: 2, threshold: 2 }, targets: { keys: 1, threshold: 1 } },
  });
  const { snapshot: snapshotSigner, timestamp: timestampSigner } = author.online;
  const lost = openKey(author.keyFile('targets', 1), null);
  const signed = nextTargets(parsedTargets(author.targets).signed, { add: [manifest] }, nowMs);
  const served: Served = { roots: [author.root], targets: await author.signed(signed, 1) };
  const { roots } = served;
  const iotdh = await serve(t, author, served);
  const storage = memoryStorage();
  const device = createDeviceTrust({
    ...{ storage, anchor: author.root, builtAtMs: nowMs, uptimeMs: () => 0, wallMs: () => nowMs },
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
  assert.equal((await verdict(served.targets)).kind, 'signed');

  // The first: nothing is in force with one signature of two.
  const rootKey = (number: number) => author.keyFile('root', number);
  const change = [
    '--remove',
    lost.key.keyID.slice(0, 12),
    '--new-targets',
    '1',
    '--type',
    'ed25519',
    '--no-encrypt',
  ];
  const rotate = (...args: string[]) =>
    iotdh('keys', 'rotate', stick, '--root', author.rootFile, '--yes', ...args, '-o', 'table');
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
  assert.match((await rotate('--key', author.keyFile('targets', 1))).notes, /has nothing to sign here/);
  assert.equal(roots.length, 1);

  // The second has no link, and whoever brings the folder back needs no key.
  const second = await rotate('--key', rootKey(2), '--offline');
  assert.equal(second.code, 0, second.notes);
  assert.match(second.notes, /targets: no longer .*\n {2}targets: now /);
  assert.equal(roots.length, 1);
  const last = await rotate();
  assert.match(last.out, /^In force root 2/);
  assert.equal(roots.length, 2);
  assert.deepEqual(
    readdirSync(stick).filter((name) => name.startsWith('next.')),
    [],
  );
  assert.match((await rotate()).notes, /nothing waits/);

  // What was left by somebody who was cut short is no part of the next rotation.
  writeFileSync(join(stick, 'next.targets.json'), author.targets);
  assert.equal((await rotate('--key', rootKey(1), '--renew')).code, 0);
  const renewed = await rotate('--key', rootKey(2));
  assert.match(renewed.out, /^In force root 3/, renewed.notes);

  const followed = await verdict(served.targets);
  assert.deepEqual(followed.kind === 'signed' && followed.versions, {
    ...{ root: 3, targets: 3, snapshot: 2, timestamp: 2 },
  });
  const forged = nextTargets(parsedTargets(served.targets).signed, {}, nowMs);
  await addSignature(forged, lost);
  const refusal = await verdict(encodeMetadata(forged));
  assert.equal(refusal.kind === 'refused' && refusal.rule, 'unsigned');
});
