import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, nextTargets, type Timestamp } from '../author/index.ts';
import {
  createRepository,
  manifest,
  newSigner,
  parsed,
  type Repository,
  signedBy,
} from '../testing/repository.ts';
import { createDeviceTrust, type DeviceTrustOptions } from './device-trust.ts';
import { memoryStorage, type Storage } from './storage.ts';

const day = 86_400_000;
const year = 365 * day;
const start = Date.UTC(2026, 10, 1);
const pack = manifest('carto', '8.2');

/** A device whose clocks a test moves. */
function device(repository: Repository, options: Partial<DeviceTrustOptions> = {}) {
  const clock = { uptimeMs: 0, wallMs: repository.nowMs };
  const trust = createDeviceTrust({
    storage: memoryStorage(),
    anchor: repository.anchor,
    builtAtMs: start,
    uptimeMs: () => clock.uptimeMs,
    wallMs: () => clock.wallMs,
    ...options,
  });
  /** Each time for another transfer. */
  const verify = (files = repository.files(), about = pack) =>
    trust.verify(about, files, crypto.randomUUID());
  return { clock, trust, verify };
}

async function repositoryWithPack(options: { nowMs?: number } = {}): Promise<Repository> {
  const repository = await createRepository({ nowMs: start, ...options });
  await repository.publish(pack);
  return repository;
}

test('a device that was off for a year takes what is fresh, although everything that it knew has expired', async () => {
  const repository = await repositoryWithPack();
  const { clock, verify } = device(repository);
  assert.equal((await verify()).kind, 'signed');
  repository.nowMs = start + year + day;
  await repository.publish(pack);
  // Off: nothing ran, and its battery-less clock stood still.
  assert.equal((await verify()).kind, 'signed');
  clock.wallMs = start + year + day;
  assert.equal((await verify()).kind, 'signed');
});

for (const years of [-30, 30]) {
  test(`a clock that is ${Math.abs(years)} years ${years < 0 ? 'behind' : 'ahead'} locks nobody out`, async () => {
    const repository = await repositoryWithPack();
    const { clock, verify } = device(repository);
    clock.wallMs += years * year;
    const verdict = await verify();
    assert.ok(verdict.kind === 'signed');
    // What a clock ahead says is told; one that is behind says nothing.
    assert.equal(verdict.doubt === null, years < 0);
  });
}

test('metadata that are withheld are noticed once the device has run for as long as they are good', async () => {
  const repository = await repositoryWithPack();
  const { clock, verify } = device(repository);
  assert.equal((await verify()).kind, 'signed');
  clock.uptimeMs += 6 * day;
  assert.equal((await verify()).kind, 'signed');
  clock.uptimeMs += 2 * day;
  const verdict = await verify();
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'expired');
  // The machine's clock, put back, changes nothing.
  clock.wallMs = start;
  assert.equal((await verify()).kind, 'refused');
  // What is fresh replaces it.
  repository.nowMs += 8 * day;
  await repository.renew();
  assert.equal((await verify()).kind, 'signed');
});

test('the time that has passed is kept over a restart, and the time before the build never was', async () => {
  const repository = await repositoryWithPack();
  const storage = memoryStorage();
  const first = device(repository, { storage });
  assert.equal((await first.verify()).kind, 'signed');
  first.clock.uptimeMs += 8 * day;
  first.trust.keepTime();
  const restarted = device(repository, { storage });
  const verdict = await restarted.verify();
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'expired');
  const newer = await device(repository, { builtAtMs: start + 8 * day }).verify();
  assert.ok(newer.kind === 'refused' && newer.rule === 'expired');
});

test('a recorded timestamp is refused by a device that has seen a later one', async () => {
  const repository = await repositoryWithPack();
  const { verify } = device(repository);
  const recorded = repository.files();
  assert.equal((await verify()).kind, 'signed');
  repository.nowMs += 20 * day;
  await repository.renew();
  assert.equal((await verify()).kind, 'signed');
  const verdict = await verify(recorded);
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'rollback');
});

test('an expired root still vouches for its successor, and for nothing else', async () => {
  const repository = await repositoryWithPack();
  const { verify } = device(repository);
  repository.nowMs += 3 * year;
  await repository.publish(pack);
  const verdict = await verify();
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'expired');
  await repository.rotate({});
  assert.equal((await verify()).kind, 'signed');
});

test('a stolen timestamp key can move the time ahead, and rotating it out moves the time back', async () => {
  const repository = await repositoryWithPack();
  const { verify } = device(repository);
  assert.equal((await verify()).kind, 'signed');
  repository.nowMs += 50 * year;
  await repository.renew();
  const moved = await verify();
  assert.ok(moved.kind === 'refused' && moved.rule === 'expired');
  repository.nowMs = start + day;
  const signer = newSigner();
  repository.signers.timestamp = [signer];
  await repository.rotate({ timestamp: { keys: [signer.key], threshold: 1 } });
  repository.versions.timestamp = 0;
  await repository.renew();
  assert.equal((await verify()).kind, 'signed');
});

/** Storage whose power is cut after so many changes: nothing more is written, and whoever tries learns of it. */
function cutAfter(changes: number, storage: Storage): Storage {
  let left = changes;
  const spend = () => {
    if (left === 0) throw new Error('the power is cut');
    left -= 1;
  };
  return {
    read: storage.read,
    write(name, bytes) {
      spend();
      storage.write(name, bytes);
    },
    remove(name) {
      spend();
      storage.remove(name);
    },
  };
}

for (const stolen of ['timestamp', 'snapshot'] as const) {
  test(`a power cut at any instant of the recovery from a stolen ${stolen} key locks nobody out`, async () => {
    const repository = await repositoryWithPack();
    // What the thief signed: a number that nothing will reach, and a time far ahead if the key is of the time.
    repository.versions.snapshot = 1_000;
    if (stolen === 'timestamp') repository.nowMs += 50 * year;
    await repository.renew({ snapshot: true });
    const ofThief = repository.files();
    repository.nowMs = start + day;
    const signer = newSigner();
    repository.signers[stolen] = [signer];
    await repository.rotate({ [stolen]: { keys: [signer.key], threshold: 1 } });
    repository.versions = { ...repository.versions, snapshot: 5, timestamp: 5 };
    await repository.renew({ snapshot: true });
    for (let changes = 0, isCut = true; isCut; changes += 1) {
      const storage = memoryStorage();
      await device(repository, { storage }).verify(ofThief);
      isCut = await device(repository, { storage: cutAfter(changes, storage) })
        .verify()
        .then(
          () => false,
          () => true,
        );
      const { kind } = await device(repository, { storage }).verify();
      assert.equal(kind, 'signed', `the power was cut after ${changes} changes`);
      assert.ok(changes < 20);
    }
  });
}

test('a timestamp that was signed before the one that it follows is refused', async () => {
  const repository = await repositoryWithPack();
  const { verify } = device(repository);
  assert.equal((await verify()).kind, 'signed');
  repository.nowMs -= day;
  await repository.renew();
  const verdict = await verify();
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'rollback');
});

test('a timestamp that was signed after its own end is refused, and moves no time', async () => {
  const repository = await repositoryWithPack();
  const { verify } = device(repository);
  const good = repository.files();
  repository.nowMs += 50 * year;
  await repository.renew();
  const { signed } = parsed('timestamp', repository.timestamp);
  Object.assign(signed, { expires: '2026-12-01T00:00:00Z' });
  repository.timestamp = await signedBy(new Metadata(signed as Timestamp), repository.signers.timestamp);
  const verdict = await verify();
  assert.ok(verdict.kind === 'refused' && verdict.rule === 'malformed', JSON.stringify(verdict));
  assert.equal((await verify(good)).kind, 'signed');
});

test('a transfer that has begun is not taken back when metadata run out, and is when newer ones drop its manifest', async () => {
  const repository = await repositoryWithPack();
  const other = manifest('carto', '8.3');
  await repository.publish(other);
  const { clock, trust } = device(repository);
  const files = repository.files();
  assert.equal((await trust.verify(pack, files, 'one')).kind, 'signed');
  clock.uptimeMs += 30 * day;
  assert.equal((await trust.verify(pack, files, 'one')).kind, 'signed');
  for (const [about, transfer] of [
    [pack, 'two'],
    // Who was refused has not begun.
    [pack, 'two'],
    [other, 'one'],
  ] as const) {
    const another = await trust.verify(about, files, transfer);
    assert.ok(another.kind === 'refused' && another.rule === 'expired', `${about.version} ${transfer}`);
  }
  repository.nowMs += 30 * day;
  repository.versions.targets += 1;
  const before = parsed('targets', repository.targets).signed as Parameters<typeof nextTargets>[0];
  repository.targets = await signedBy(
    nextTargets(before, { remove: [pack] }, repository.nowMs),
    repository.signers.targets,
  );
  await repository.renew({ snapshot: true });
  const dropped = await trust.verify(pack, repository.files(), 'one');
  assert.ok(dropped.kind === 'refused' && dropped.rule === 'not_a_target');
});
