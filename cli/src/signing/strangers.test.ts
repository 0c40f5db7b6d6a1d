/** Nobody is made to sign, or to believe, what those whom the trusted root names have not signed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  addSignature,
  encodeMetadata,
  Key,
  makeRoot,
  nextTargets,
  type SignedManifest,
  settingsOf,
  type Targets,
} from '@iotdh/trust/author';
import { buildPatch } from '../../../test/main-job/packs.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { runHere } from '../testing/fake-fleet.ts';
import { parsedRoot, parsedTargets } from './fleet-metadata.ts';
import { openKey } from './key-folder.ts';
import { manifestToSign } from './sign-pack.ts';
import { type Author, createAuthor, nowMs, serve } from './testing/fleet.ts';

const evil: SignedManifest = {
  ...{ name: 'workstation', version: '6.6.6', kind: 'patch', size: 7 },
  digest: '6'.repeat(64),
};
const begun = (author: Author): Targets => parsedTargets(author.targets).signed;

/** Two people, a pack of theirs that is still to be signed, and somebody else with keys of the same numbers. */
async function rig(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-strangers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const author = await createAuthor(join(folder, 'keys'));
  const stranger = await createAuthor(join(folder, 'stranger'));
  const made = await buildPatch({ folder: join(folder, 'made'), version: '2.0', bytes: 1_000 });
  const pack = await openPack(made.folder);
  const metadata = join(pack.folder, 'metadata');
  /** Puts a root and targets, by their versions, in the pack, as somebody who passes it on could. */
  const put = (root: Buffer, targets: Record<number, Buffer>) => {
    mkdirSync(metadata, { recursive: true });
    writeFileSync(join(metadata, '1.root.json'), root);
    for (const [version, bytes] of Object.entries(targets))
      writeFileSync(join(metadata, `${version}.targets.json`), bytes);
  };
  return { folder, author, stranger, pack, metadata, put };
}

test('a pack that a stranger signed, with a root of the trusted version, is not verified and shows no bill', async (t) => {
  const { author, stranger, pack, put } = await rig(t);
  const targets = nextTargets(begun(stranger), { add: [manifestToSign(pack)] }, nowMs);
  put(stranger.root, { 2: await stranger.signed(targets, 2) });
  const both = ['verify', 'sbom'].map((word) => ['pack', word, pack.folder, '--root', author.rootFile]);
  for (const command of both) {
    const ran = await runHere(command, {});
    assert.equal(ran.code, 1, ran.out);
    assert.match(ran.notes, /root 1 in .*metadata is another than .*1\.root\.json/);
  }
  // With the right root beside them the targets are worth no more.
  put(author.root, {});
  for (const command of both) assert.match((await runHere(command, {})).notes, /0 of the 2 signatures/);
});

test('nobody signs after targets that the fleet answers and nobody has signed', async (t) => {
  const { folder, author, pack, metadata } = await rig(t);
  const forged = nextTargets(begun(author), { add: [evil] }, nowMs);
  const served = { roots: [author.root], targets: await author.signed(forged, 0) };
  const iotdh = await serve(t, author, served);
  const trusted = ['--root', author.rootFile, '--yes'];
  const lacking = /targets 2 of the fleet have 0 of the 2 signatures that root 1 asks for\n.*Sign nothing/;

  const signed = await iotdh('pack', 'sign', pack.folder, '--key', author.keyFile('targets', 1), ...trusted);
  assert.deepEqual([signed.code, existsSync(metadata)], [1, false], signed.notes);
  assert.match(signed.notes, lacking);

  const stick = join(folder, 'stick');
  const change = ['--targets-threshold', '1', '--new-targets', '1', '--no-encrypt'];
  const rotate = ['keys', 'rotate', stick, '--key', author.keyFile('root', 1), ...change, ...trusted];
  const rotated = await iotdh(...rotate);
  assert.deepEqual([rotated.code, existsSync(stick)], [1, false], rotated.notes);
  assert.match(rotated.notes, lacking);
});

test('the second person signs after no root and no targets that the first has forged', async (t) => {
  const { author, stranger, pack, metadata, put } = await rig(t);
  // The first makes a root of the same version that trusts a key of theirs too, and with it targets for the second to sign after.
  const root = parsedRoot(author.root).signed;
  const { targets: honest } = settingsOf(root);
  const own = openKey(stranger.keyFile('targets', 1), null);
  const forgedRoot = makeRoot(
    { ...settingsOf(root), targets: { keys: [...honest.keys, own.key], threshold: 1 } },
    1,
    nowMs,
  );
  await addSignature(forgedRoot, own);
  const before = nextTargets(begun(author), { add: [evil] }, nowMs);
  const waiting = nextTargets(before.signed, { add: [manifestToSign(pack)] }, nowMs);
  put(encodeMetadata(forgedRoot), {
    2: await stranger.signed(before, 1),
    3: await author.signed(waiting, 1),
  });
  const second = ['pack', 'sign', pack.folder, '--offline', '--key', author.keyFile('targets', 2)];
  const sign = () => runHere([...second, '--root', author.rootFile, '--yes'], {});

  const otherRoot = await sign();
  assert.equal(otherRoot.code, 1, otherRoot.notes);
  assert.match(otherRoot.notes, /root 1 in .*metadata is another than .*1\.root\.json\n.*Sign nothing/);

  put(author.root, {});
  const noTargets = await sign();
  assert.equal(noTargets.code, 1, noTargets.notes);
  assert.match(noTargets.notes, /targets 3 in .*metadata have 1 of the 2 signatures that root 1 asks for/);

  // With everything in order but the targets that wait, which name more than the pack, it is these that are refused.
  const both = nextTargets(begun(author), { add: [evil, manifestToSign(pack)] }, nowMs);
  put(author.root, { 1: author.targets, 2: await author.signed(both, 1) });
  const moreThanThePack = await sign();
  assert.equal(moreThanThePack.code, 1, moreThanThePack.notes);
  assert.match(
    moreThanThePack.notes,
    /targets 2 in .* add workstation@6\.6\.6: that is not to be signed here/,
  );

  const forever = nextTargets(begun(author), { add: [manifestToSign(pack)] }, nowMs + 40 * 365 * 86_400_000);
  put(author.root, { 2: await author.signed(forever, 1) });
  assert.match((await sign()).notes, /targets 2 in .* would be good until 2067-.*, for more than 365 days/);

  // Devices that took the last of all versions would take no other.
  const last = nextTargets(begun(author), { add: [manifestToSign(pack)] }, nowMs);
  Object.defineProperty(last.signed, 'version', { value: 999_999 });
  put(author.root, { 2: await author.signed(last, 1) });
  assert.match((await sign()).notes, /2\.targets\.json holds targets 999999\n/);
  assert.deepEqual(
    Object.keys(parsedTargets(readFileSync(join(metadata, '2.targets.json'))).signatures).length,
    1,
  );
});

test('the second person signs no root that hides a key under the id of another, and no targets made anew that say more', async (t) => {
  const { folder, author, stranger } = await rig(t);
  const stick = join(folder, 'stick');
  const { targets: honest, ...others } = settingsOf(parsedRoot(author.root).signed);
  const [theirs, ours] = [openKey(stranger.keyFile('targets', 1), null).key, honest.keys[0]!];
  const sign = async (keys: readonly Key[]) => {
    const root = makeRoot({ ...others, targets: { keys, threshold: 1 } }, 2, nowMs);
    await addSignature(root, openKey(author.keyFile('root', 1), null));
    put({ '1.root.json': author.root, '1.targets.json': author.targets });
    put({ 'next.root.json': encodeMetadata(root) });
    const key = ['--key', author.keyFile('root', 1), '--root', author.rootFile];
    const ran = await runHere(['keys', 'rotate', stick, '--offline', '--yes', ...key], {});
    return ran.notes;
  };
  const put = (files: Record<string, Buffer>) => {
    mkdirSync(stick, { recursive: true });
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(stick, name), bytes);
  };
  assert.match(await sign([Key.fromJSON(ours.keyID, theirs.toJSON())]), /gives another key the id/);
  assert.match(await sign([ours, Key.fromJSON('f'.repeat(64), theirs.toJSON())]), /another key the id "ffff/);
  const more = nextTargets(begun(author), { add: [evil] }, nowMs);
  put({ 'next.targets.json': await author.signed(more, 1) });
  assert.match(await sign([ours]), /targets 2 in .* add workstation@6\.6\.6: that is not to be signed/);
  rmSync(join(stick, 'next.targets.json'));
  const good = await sign([ours]);
  assert.match(good, /Root 2, after 1 in .*, good until 2028-11-22.*\n {2}targets: no longer [0-9a-f]{64}\n/);
});
