import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildPatch } from '../../../test/main-job/packs.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { runHere } from '../testing/fake-fleet.ts';
import { openKey } from './key-folder.ts';
import { signPack } from './sign-pack.ts';
import { createAuthor, nowMs } from './testing/fleet.ts';
import { readAnchor, trustedIn } from './trusted-metadata.ts';

test('with a threshold of two no author signs alone, and what two have signed is verified without a fleet', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-sign-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const author = await createAuthor(join(folder, 'keys'), { type: 'ecdsa-p384' });
  const { rootFile } = author;
  const { folder: packFolder } = await buildPatch({
    folder: join(folder, 'made'),
    version: '2.0',
    bytes: 10_000,
  });
  const pack = await openPack(packFolder);
  const roots = [{ version: 1, bytes: author.root }];
  const repository = trustedIn(
    { where: 'of the fleet', roots, targets: [author.targets] },
    readAnchor(rootFile),
  );
  const verify = () => runHere(['pack', 'verify', packFolder, '--root', rootFile], {});
  const key = (number: number) => author.keyFile('targets', number);

  const first = await signPack(repository, pack, [openKey(key(1), null)], nowMs);
  assert.deepEqual([first.threshold.signed.length, first.threshold.met], [1, false]);
  const alone = await verify();
  assert.deepEqual([alone.code, /1 of the 2 signatures/.test(alone.notes)], [1, true]);
  const again = await signPack(repository, pack, [openKey(key(1), null)], nowMs);
  assert.equal(again.threshold.met, false, 'the same key twice is one signature');

  const sign = (...args: string[]) =>
    runHere(['pack', 'sign', packFolder, '--offline', '--root', rootFile, ...args], {});
  const asked = await sign('--key', key(2));
  assert.deepEqual([asked.code, /adds workstation@2\.0\n.*nothing was signed/s.test(asked.notes)], [2, true]);
  assert.equal((await verify()).code, 1, 'nobody was there to say yes');
  const other = await sign('--key', author.keyFile('root', 1), '--yes');
  assert.match(other.notes, /lets none of these keys sign/);
  const second = await sign('--key', key(2), '--yes');
  assert.equal(second.code, 0, second.notes);
  assert.match(
    second.notes,
    /Targets 2, after 1 in .*, good until 2027-11-23T12:00:00Z\n {2}adds workstation@2\.0/,
  );
  assert.match((await sign('--key', key(1), '--yes')).notes, /has all its signatures already/);
  const verified = await verify();
  assert.deepEqual([verified.code, JSON.parse(verified.out).expires], [0, '2027-11-23T12:00:00.000Z']);
  const later = await runHere(
    ['pack', 'verify', packFolder, '--root', rootFile],
    {},
    { now: '2027-11-23T12:00:00Z' },
  );
  assert.equal(later.code, 1, 'no device takes it');
  assert.match(later.notes, /root 1 and targets 2, and that ended on 2027-11-23T12:00:00/);

  const sbom = () => runHere(['pack', 'sbom', packFolder, '--root', rootFile], {});
  const bill = await sbom();
  assert.equal(bill.code, 0, bill.notes);
  assert.equal(JSON.parse(bill.out).metadata.component.hashes[0].content, pack.digest);
  const billFile = join(packFolder, 'sbom.cdx.json');
  writeFileSync(billFile, bill.out.replace('data/map.bin', 'data/mop.bin'));
  for (const run of [sbom, verify]) assert.match((await run()).notes, /is not signed as it is/);
  writeFileSync(billFile, bill.out);

  const object = pack.objectPath(Buffer.from(pack.manifest.objects[0]!.digest).toString('hex'));
  const bytes = readFileSync(object);
  writeFileSync(
    object,
    bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte)),
  );
  assert.match((await verify()).notes, /is damaged/);
  writeFileSync(object, bytes);
});
