import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatePrivateKey, keySigner } from '@iotdh/trust/author';
import { buildPatch } from '../../../test/main-job/packs.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { runHere } from '../testing/fake-fleet.ts';
import { parsedRoot, parsedTargets, type Repository } from './fleet-metadata.ts';
import { initialise, openKey, rootFileIn } from './key-folder.ts';
import { signPack } from './sign-pack.ts';

test('with a threshold of two no author signs alone, and what two have signed is verified without a fleet', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-sign-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const keys = join(folder, 'keys');
  const nowMs = Date.UTC(2026, 10, 23);
  const beginning = await initialise({
    ...{ folder: keys, type: 'ed25519', passphrase: null, nowMs },
    root: { keys: 1, threshold: 1 },
    targets: { keys: 2, threshold: 2 },
    online: {
      snapshot: keySigner(generatePrivateKey('ed25519')).key,
      timestamp: keySigner(generatePrivateKey('ed25519')).key,
    },
  });
  const { folder: packFolder } = await buildPatch({
    folder: join(folder, 'made'),
    version: '2.0',
    bytes: 10_000,
  });
  const pack = await openPack(packFolder);
  const repository: Repository = {
    roots: [{ version: 1, bytes: beginning.root }],
    root: parsedRoot(beginning.root),
    targets: { metadata: parsedTargets(beginning.targets), bytes: beginning.targets },
  };
  const verify = () => runHere(['pack', 'verify', packFolder, '--root', rootFileIn(keys)], {});

  const first = await signPack(repository, pack, [openKey(join(keys, 'targets-1.pem'), null)], nowMs);
  assert.deepEqual([first.threshold.signed.length, first.threshold.met], [1, false]);
  const alone = await verify();
  assert.deepEqual([alone.code, /1 of the 2 signatures/.test(alone.notes)], [1, true]);
  const again = await signPack(repository, pack, [openKey(join(keys, 'targets-1.pem'), null)], nowMs);
  assert.equal(again.threshold.met, false, 'the same key twice is one signature');

  const key = join(keys, 'targets-2.pem');
  const second = await runHere(
    ['pack', 'sign', packFolder, '--offline', '--key', key, '--root', rootFileIn(keys)],
    {},
  );
  assert.equal(second.code, 0, second.notes);
  assert.equal((await verify()).code, 0);

  const sbom = () => runHere(['pack', 'sbom', packFolder, '--root', rootFileIn(keys)], {});
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

  const stranger = join(folder, 'stranger');
  await initialise({
    ...{ folder: stranger, type: 'ed25519', passphrase: null, nowMs },
    ...{ root: { keys: 1, threshold: 1 }, targets: { keys: 1, threshold: 1 } },
    online: { snapshot: first.targets && openKey(key, null).key, timestamp: openKey(key, null).key },
  });
  const refused = await runHere(
    ['pack', 'sign', packFolder, '--offline', '--key', join(stranger, 'targets-1.pem')],
    {},
  );
  assert.match(refused.notes, /lets none of these keys sign/);
});
