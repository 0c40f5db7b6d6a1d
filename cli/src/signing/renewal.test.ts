/** What is signed is renewed and reduced by as many people as sign packs, and a pack that is known is handed in all the same. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AssignmentService, PackService } from '@iotdh/proto/fleet/v1';
import { nextTargets, type SignedManifest, signedManifests } from '@iotdh/trust/author';
import { buildPatch } from '../../../test/main-job/packs.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { runHere } from '../testing/fake-fleet.ts';
import { parsedTargets } from './fleet-metadata.ts';
import { handIn } from './hand-in.ts';
import { manifestToSign } from './sign-pack.ts';
import { clientOf, createAuthor, nowMs, type Served, serve } from './testing/fleet.ts';

const halfYearMs = 182 * 86_400_000;
const old: SignedManifest = {
  ...{ name: 'carto', version: '8.2', kind: 'patch', size: 5, digest: '5'.repeat(64) },
};

const [oldId, otherId, assignmentId] = [randomUUID(), randomUUID(), randomUUID()];
const packs = [
  { packId: otherId, manifest: { name: 'carto', version: '8.3' } },
  { packId: oldId, manifest: { name: 'carto', version: '8.2' } },
];
const assignments = [{ assignmentId, packId: oldId, deviceId: 'ws-1' }];

/** Half a year ago two people signed these. */
async function rig(t: TestContext, ...manifests: SignedManifest[]) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-renew-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const author = await createAuthor(join(folder, 'keys'));
  const before = parsedTargets(author.targets).signed;
  const inForce = await author.signed(nextTargets(before, { add: manifests }, nowMs - halfYearMs), 2);
  const served: Served = { roots: [author.root], targets: inForce };
  const iotdh = await serve(t, author, served, (router) => {
    router.service(PackService, {
      listPacks: ({ name }) => ({ packs: packs.filter((one) => one.manifest.name === name) }),
    });
    router.service(AssignmentService, {
      listAssignments: ({ packId }) => ({ assignments: assignments.filter((one) => one.packId === packId) }),
    });
  });
  const targets = () => parsedTargets(served.targets).signed;
  const trusted = ['--root', author.rootFile, '--yes'];
  const key = (number: number) => ['--key', author.keyFile('targets', number)];
  return { folder, author, served, iotdh, targets, trusted, key };
}

test('two people renew what is signed and take a pack out, one of them without a link', async (t) => {
  const other = { ...old, version: '8.3' };
  const { folder, author, iotdh, targets, trusted, key } = await rig(t, old, other);
  const stick = join(folder, 'stick');
  const renew = (...args: string[]) => iotdh('pack', 'renew', stick, ...trusted, ...args);

  const nothing = await renew();
  assert.deepEqual([nothing.code, /nothing waits in .*stick/.test(nothing.notes)], [2, true], nothing.notes);
  const unknown = await renew(...key(1), '--remove', 'carto@9');
  assert.deepEqual([unknown.code, /targets 2 do not sign carto@9/.test(unknown.notes)], [4, true]);
  const first = await renew(...key(1), '--remove', 'carto@8.2');
  assert.equal(first.code, 0, first.notes);
  assert.match(
    first.notes,
    /Targets 3, after 2 of the fleet, good until 2027-11-23.*\n {2}no longer signs carto@8\.2\n/,
  );
  const alone = await renew();
  assert.equal(JSON.parse(alone.out).handedIn, false, 'one of two does not sign alone');
  assert.match((await renew(...key(2), '--remove', 'carto@8.3')).notes, /targets wait in .*stick/);
  assert.equal(targets().version, 2);

  const second = await runHere(['pack', 'renew', stick, ...trusted, ...key(2), '--offline'], {});
  assert.equal(second.code, 0, second.notes);
  const last = await renew();
  assert.equal(JSON.parse(last.out).handedIn, true, last.notes);
  const waiting = `wait for carto@8.2, and will refuse it: 1. Withdraw it with: iotdh assignment cancel ${assignmentId}`;
  assert.ok(last.notes.includes(waiting) && !first.notes.includes('will refuse'), last.notes);
  assert.deepEqual(
    [targets().version, targets().expires, signedManifests(targets()).map(({ version }) => version)],
    [3, '2027-11-23T12:00:00Z', ['8.3']],
  );

  // A renewal adds nothing, whatever the first person has put there.
  const more = nextTargets(targets(), { add: [{ ...old, version: '6.6.6' }] }, nowMs);
  writeFileSync(join(stick, '4.targets.json'), await author.signed(more, 1));
  assert.match(
    (await renew(...key(2))).notes,
    /targets 4 in .* add carto@6\.6\.6: that is not to be signed here/,
  );
});

test('a pack that is signed already can be signed anew, and is handed in although it is known', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-renewed-pack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const made = await buildPatch({ folder, version: '2.0', bytes: 1_000 });
  const pack = await openPack(made.folder);
  const { author, served, iotdh, targets, trusted, key } = await rig(t, manifestToSign(pack));
  for (const link of [[], ['--offline']]) {
    const number = link.length + 1;
    const signed = await iotdh('pack', 'sign', pack.folder, ...trusted, ...key(number), ...link);
    assert.match(signed.notes, /Targets 3, after 2 .*\n {2}adds and removes nothing\n/);
  }
  const handedIn = (keysFolder = '') =>
    handIn({
      ...{ trust: clientOf(author, served), pack, keysFolder, nowMs: () => nowMs },
      signal: t.signal,
    });
  assert.deepEqual(await handedIn(), { kind: 'handed_in', version: 3, keys: 2 });
  assert.equal(targets().expires, '2027-11-23T12:00:00Z');
  assert.deepEqual(await handedIn(), { kind: 'known' });

  // The next ones are signed by one of two, and a folder of keys that may not sign changes nothing about that.
  const others = join(folder, 'others');
  mkdirSync(others);
  for (const name of ['root-1.pem', '1.root.json']) cpSync(join(author.folder, name), join(others, name));
  served.targets = await author.signed(nextTargets(targets(), { remove: [manifestToSign(pack)] }, nowMs), 2);
  await iotdh('pack', 'sign', pack.folder, ...trusted, ...key(1));
  for (const keysFolder of ['', others])
    await assert.rejects(handedIn(keysFolder), /targets 5 have 1 of the 2 signatures/);
  await iotdh('pack', 'sign', pack.folder, ...trusted, ...key(2));
  // Then somebody else is faster.
  served.targets = await author.signed(nextTargets(targets(), { add: [old] }, nowMs), 2);
  for (const keysFolder of ['', others])
    await assert.rejects(handedIn(keysFolder), /targets 5, which were signed for this pack, were overtaken/);
});
