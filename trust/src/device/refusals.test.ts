/** What a device refuses whoever has broken into the service, with the keys of either kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyTypes, makeSnapshot, nextTargets } from '../author/index.ts';
import { createRepository, manifest, newSigner, parsed, signedBy } from '../testing/repository.ts';
import { createDeviceTrust } from './device-trust.ts';
import { memoryStorage } from './storage.ts';

const nowMs = Date.UTC(2026, 10, 23);
const [good, evil] = [manifest('carto', '8.2'), manifest('carto', '6.6')];

for (const keyType of keyTypes) {
  test(`two keys of ${keyType} sign a pack, and neither one of them nor a stranger's does, nor a signature that is bent`, async () => {
    const repository = await createRepository({ nowMs, keyType, targets: { keys: 2, threshold: 2 } });
    const { signers, versions } = repository;
    await repository.publish(good);
    const device = createDeviceTrust({
      ...{ storage: memoryStorage(), anchor: repository.anchor, builtAtMs: nowMs },
      ...{ uptimeMs: () => 0, wallMs: () => nowMs },
    });
    const verdict = async (about = good, files = repository.files()) => {
      const found = await device.verify(about, files, crypto.randomUUID());
      return found.kind === 'signed' ? 'signed' : found.rule;
    };
    assert.deepEqual([await verdict(), await verdict(evil)], ['signed', 'not_a_target']);

    // The service signs whichever targets it likes as the newest: their own signatures are what counts.
    const kept = { targets: repository.targets, snapshot: repository.snapshot, versions: { ...versions } };
    const offer = async (targets: Buffer, version = versions.targets + 1) => {
      repository.targets = targets;
      versions.targets = version;
      versions.snapshot += 1;
      const about = { version: versions.snapshot, nowMs, signer: signers.snapshot[0]! };
      repository.snapshot = await makeSnapshot({ version, bytes: targets }, about);
      await repository.renew();
      const rule = await verdict(evil);
      Object.assign(repository, { targets: kept.targets, snapshot: kept.snapshot });
      Object.assign(versions, { targets: kept.versions.targets });
      return rule;
    };
    const next = () => nextTargets(parsed('targets', kept.targets).signed, { add: [evil] }, nowMs);
    assert.equal(await offer(await signedBy(next(), signers.targets.slice(0, 1))), 'unsigned');
    const strangers = [signers.targets[0]!, newSigner(keyType)];
    assert.equal(await offer(await signedBy(next(), strangers)), 'unsigned');
    const bent = JSON.parse((await signedBy(next(), signers.targets)).toString());
    bent.signatures[1].sig = bent.signatures[0].sig;
    assert.equal(await offer(Buffer.from(JSON.stringify(bent))), 'unsigned');
    assert.equal(await offer(await signedBy(next(), signers.targets)), 'signed', 'two of the two do');

    // Of roots, the one before has to vouch for the next.
    const stranger = newSigner(keyType);
    await repository.rotate({ root: { keys: [stranger.key], threshold: 1 } }, [stranger]);
    assert.equal(await verdict(), 'unsigned');
  });
}
