/** The rules of TUF's client workflow, case by case: what a service that was broken into, with its own keys, hands a device that has seen better. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Metadata,
  makeSnapshot,
  makeTimestamp,
  maxBytes,
  maxRootRotations,
  type SignedManifest,
  type Snapshot,
} from '../author/index.ts';
import type { Rule } from '../format/refusal.ts';
import {
  createRepository,
  manifest,
  newSigner,
  parsed,
  type Repository,
  signedBy,
} from '../testing/repository.ts';
import { createDeviceTrust } from './device-trust.ts';
import { memoryStorage } from './storage.ts';

const nowMs = Date.UTC(2026, 10, 23);
const [first, second] = [manifest('carto', '8.2'), manifest('carto', '8.3')];

/** A device that has seen two packs, and the repository that signed them. */
async function rig(options: { seen?: boolean } = {}) {
  const repository = await createRepository({ nowMs });
  await repository.publish(first);
  const old = repository.files();
  await repository.publish(second);
  const device = createDeviceTrust({
    ...{ storage: memoryStorage(), anchor: repository.anchor, builtAtMs: nowMs },
    ...{ uptimeMs: () => 0, wallMs: () => nowMs },
  });
  const verdict = async (files = repository.files(), about: SignedManifest = second) => {
    const found = await device.verify(about, files, crypto.randomUUID());
    return found.kind === 'signed' ? 'signed' : found.rule;
  };
  if (options.seen !== false) assert.equal(await verdict(), 'signed');
  return { repository, device, old, verdict };
}

/** The service signs a snapshot of whatever it likes, and a timestamp of that. */
async function offer(
  repository: Repository,
  what: { targets?: Buffer; targetsVersion?: number; snapshot?: Buffer },
) {
  const { signers, versions } = repository;
  const { targets = repository.targets, targetsVersion = versions.targets } = what;
  repository.targets = targets;
  versions.targets = targetsVersion;
  versions.snapshot += 1;
  const about = { version: versions.snapshot, nowMs, signer: signers.snapshot[0]! };
  repository.snapshot =
    what.snapshot ?? (await makeSnapshot({ version: targetsVersion, bytes: targets }, about));
  await repository.renew();
}

const cases: [
  what: string,
  expected: Rule,
  change: (made: Awaited<ReturnType<typeof rig>>) => Promise<unknown>,
][] = [
  [
    'older targets, which people did sign, under a newer snapshot',
    'rollback',
    ({ repository, old }) =>
      offer(repository, {
        targets: old.find(({ role }) => role === 'targets')!.bytes as Buffer,
        targetsVersion: 1,
      }),
  ],
  [
    'a newer timestamp that names the snapshot before',
    'rollback',
    async ({ repository, old }) => {
      repository.snapshot = old.find(({ role }) => role === 'snapshot')!.bytes as Buffer;
      repository.versions.snapshot = 1;
      await repository.renew();
    },
  ],
  [
    'a snapshot that names no targets',
    'malformed',
    async ({ repository }) => {
      const { signed } = parsed('snapshot', repository.snapshot);
      Object.assign(signed, { meta: {}, version: repository.versions.snapshot + 1 });
      const snapshot = await signedBy(new Metadata(signed as Snapshot), repository.signers.snapshot);
      await offer(repository, { snapshot });
    },
  ],
  [
    'targets that are not the bytes that the snapshot names',
    'wrong_bytes',
    async ({ repository }) => {
      await repository.publish();
      repository.targets = Buffer.concat([repository.targets, Buffer.from(' ')]);
    },
  ],
  [
    'a snapshot that is not the bytes that the timestamp names',
    'wrong_bytes',
    async ({ repository }) => {
      await repository.renew({ snapshot: true });
      repository.snapshot = Buffer.concat([repository.snapshot, Buffer.from(' ')]);
    },
  ],
  [
    'targets of another version than the snapshot says',
    'rollback',
    ({ repository }) => offer(repository, { targetsVersion: repository.versions.targets + 1 }),
  ],
  [
    'a timestamp by another key',
    'unsigned',
    async ({ repository }) => {
      const { versions, snapshot } = repository;
      versions.timestamp += 1;
      const about = { version: versions.timestamp, nowMs, signer: newSigner() };
      repository.timestamp = await makeTimestamp({ version: versions.snapshot, bytes: snapshot }, about);
    },
  ],
  [
    'a snapshot by another key',
    'unsigned',
    ({ repository }) => {
      repository.signers.snapshot = [newSigner()];
      return repository.renew({ snapshot: true });
    },
  ],
  [
    'targets that delegate, signed as others are',
    'unsupported',
    async ({ repository }) => {
      const { signed } = JSON.parse(repository.targets.toString());
      Object.assign(signed, { version: 3, delegations: { keys: {}, roles: [] } });
      const unsigned = parsed('targets', Buffer.from(JSON.stringify({ signed, signatures: [] })));
      const targets = await signedBy(unsigned, repository.signers.targets);
      await offer(repository, { targets, targetsVersion: 3 });
    },
  ],
  [
    'targets that are too long',
    'too_large',
    ({ repository }) =>
      offer(repository, {
        targets: Buffer.concat([repository.targets, Buffer.alloc(maxBytes.targets, ' ')]),
        targetsVersion: 3,
      }),
  ],
  [
    'a timestamp with a member twice, the last of which is another',
    'malformed',
    async ({ repository }) => {
      await repository.renew();
      repository.timestamp = Buffer.from(
        repository.timestamp.toString().replace('"version":', '"version":1,"version":'),
      );
    },
  ],
  [
    'a root that leaves one out',
    'rollback',
    async ({ repository }) => {
      await repository.rotate({});
      await repository.rotate({});
      repository.roots.splice(1, 1);
    },
  ],
  [
    'no targets at all',
    'missing_metadata',
    async ({ repository }) => {
      await repository.publish();
      repository.targets = Buffer.alloc(0);
    },
  ],
];

for (const [what, expected, change] of cases) {
  test(`refused as ${expected}: ${what}`, async () => {
    const made = await rig();
    await change(made);
    const files = made.repository.files().filter(({ bytes }) => bytes.length > 0);
    assert.equal(await made.verdict(files), expected);
  });
}

test('a manifest is the one that was signed in name, size, digest and kind', async () => {
  const { verdict } = await rig();
  const about = (change: Partial<SignedManifest>) => verdict(undefined, { ...second, ...change });
  assert.equal(await about({ kind: 'base' }), 'another_target');
  assert.equal(await about({ size: second.size + 1 }), 'another_target');
  assert.equal(await about({ digest: first.digest }), 'another_target');
  assert.equal(await about({ version: '8.4' }), 'not_a_target');
  assert.equal(await about({ name: '__proto__', version: 'x' }), 'not_a_target');
});

test('other bytes of a version that is here change nothing, and old files from a stick neither', async () => {
  const { repository, verdict, old } = await rig();
  const { versions, snapshot, signers } = repository;
  const about = { version: versions.timestamp, nowMs: nowMs + 1_000, signer: signers.timestamp[0]! };
  repository.timestamp = await makeTimestamp({ version: versions.snapshot + 5, bytes: snapshot }, about);
  assert.equal(await verdict(), 'signed');
  assert.equal(await verdict(old), 'rollback');
  assert.equal(await verdict([]), 'signed', 'what is here is enough');
});

test('one look follows so many roots, and the next one those after them', async () => {
  const { repository, verdict } = await rig({ seen: false });
  for (let root = 0; root < maxRootRotations; root += 1) await repository.rotate({});
  // The last but one of two more is the first that names the keys that sign now.
  repository.signers.snapshot = [newSigner()];
  await repository.rotate({
    snapshot: { keys: repository.signers.snapshot.map(({ key }) => key), threshold: 1 },
  });
  await repository.rotate({});
  await repository.renew({ snapshot: true });
  assert.equal(await verdict(), 'unsigned');
  assert.equal(await verdict(), 'signed');
});

test('what a device lacks is what is newer than its own, and everything once there is another root', async () => {
  const { repository, device, old } = await rig();
  const lacking = (files = repository.files()) =>
    device.lacking(files).map(({ role, version }) => `${role} ${version}`);
  assert.deepEqual([lacking(), lacking(old)], [[], []]);
  await repository.renew();
  assert.deepEqual(lacking(), ['timestamp 3']);
  await repository.publish();
  assert.deepEqual(lacking(), ['timestamp 4', 'snapshot 3', 'targets 3']);
  await repository.rotate({});
  assert.deepEqual(lacking(), ['root 2', 'timestamp 4', 'snapshot 3', 'targets 3']);
});
