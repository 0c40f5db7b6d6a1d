/** What the fleet takes in of what people hand in, and what it makes of it: judged as devices judge, so that nobody is locked out by it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeMetadata,
  issuedMs,
  makeRoot,
  nextRoot,
  nextTargets,
  type Role,
  type Root,
  type SignedManifest,
  type Signer,
  type Targets,
  type Timestamp,
} from '@iotdh/trust/author';
import { createDeviceTrust, memoryStorage } from '@iotdh/trust/device';
import { newSigner, parsed, signedBy } from '@iotdh/trust/testing';
import type { Objects } from '../../../shared/blobs.ts';
import { testDatabase } from '../../../shared/testing/test-database.ts';
import { RefusedError } from '../refusal.ts';
import { createRepository } from './repository.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 10, 23);
const manifest: SignedManifest = {
  name: 'carto',
  version: '8.2',
  kind: 'patch',
  digest: '8'.repeat(64),
  size: 8,
};

test('the fleet takes in what people have signed as devices would, and signs which of it is the newest', async (t) => {
  const database = await testDatabase(t);
  const blobs = new Map<string, Uint8Array>();
  const objects = {
    put: async (digest: string, bytes: Uint8Array) => void blobs.set(digest, bytes),
    read: async (digest: string) => Buffer.from(blobs.get(digest) ?? []),
  };
  const clock = { nowMs: start, now: () => clock.nowMs, after: () => () => {} };
  const keys = { snapshot: newSigner(), timestamp: newSigner() };
  const repository = createRepository({
    database,
    objects: objects as Pick<Objects, 'put' | 'read'>,
    keys,
    clock,
  });
  const people = { root: [newSigner(), newSigner()], targets: [newSigner(), newSigner()] };
  const two = (signers: readonly Signer[]) => ({ keys: signers.map(({ key }) => key), threshold: 2 });
  const one = ({ key }: Signer) => ({ keys: [key], threshold: 1 });
  const settings = {
    ...{ root: two(people.root), targets: two(people.targets) },
    ...{ snapshot: one(keys.snapshot), timestamp: one(keys.timestamp) },
  };
  const rootOf = (change: object = {}) =>
    signedBy(makeRoot({ ...settings, ...change }, 1, start), people.root);
  const root = parsed('root', await rootOf()).signed as Root;
  const first = nextTargets(null, {}, start);
  const rule = (roots: readonly Uint8Array[], targets: Uint8Array | null = null): Promise<string> =>
    repository.publish(roots, targets).then(
      () => 'taken',
      (error: unknown) =>
        error instanceof RefusedError && 'rule' in error.refusal ? error.refusal.rule : String(error),
    );
  const versions = async () =>
    Object.fromEntries((await repository.inForce()).map(({ role, version }) => [role, Number(version)]));
  const newest = async <R extends Role>(role: R) => parsed(role, (await repository.file(role, 0))!.bytes);

  await t.test('the first root names the service’s keys, and both people have signed', async () => {
    const signed = await signedBy(nextTargets(null, {}, start), people.targets);
    assert.equal(await rule([], signed), 'unsigned', 'there is no root');
    assert.equal(await rule([await rootOf({ timestamp: one(newSigner()) })], signed), 'other_keys');
    const alone = await signedBy(makeRoot(settings, 1, start), people.root.slice(0, 1));
    assert.equal(await rule([alone], signed), 'unsigned');
    const byOne = await signedBy(nextTargets(null, {}, start), people.targets.slice(0, 1));
    assert.equal(await rule([await rootOf()], byOne), 'unsigned');
    assert.deepEqual(await versions(), {}, 'nothing is taken in by halves');
    assert.equal(await rule([encodeMetadata(parsed('root', await rootOf()))], signed), 'taken');
    const inForce = { root: 1, targets: 1, snapshot: 1, timestamp: 1 };
    assert.deepEqual(await versions(), inForce);
    assert.equal(
      await rule([(await repository.file('root', 1))!.bytes], (await repository.file('targets', 0))!.bytes),
      'taken',
    );
    assert.deepEqual(await versions(), inForce, 'what is known changes nothing');
  });

  await t.test('targets follow those in force, are good, and delegate to nobody', async () => {
    const next = (change: object, nowMs = start) => {
      const { signed } = nextTargets(first.signed, { add: [manifest] }, nowMs);
      const json = { signed: { ...(signed.toJSON() as object), ...change }, signatures: [] };
      return signedBy(parsed('targets', Buffer.from(JSON.stringify(json))), people.targets);
    };
    assert.equal(await rule([], await next({ version: 3 })), 'wrong_version');
    assert.equal(await rule([], await next({ version: 1 })), 'wrong_version');
    assert.equal(await rule([], await next({}, start - 366 * dayMs)), 'expired');
    assert.equal(await rule([], await next({ delegations: { keys: {}, roles: [] } })), 'unsupported');
    assert.equal(await rule([], Buffer.from('{}')), 'malformed');
    const [good, other] = [await next({}), await next({ expires: '2027-01-01T00:00:00Z' })];
    const both = await Promise.all([rule([], good), rule([], other)]);
    assert.deepEqual(both.sort(), ['taken', 'wrong_version'], 'of two at once one is taken in');
    assert.deepEqual(await versions(), { root: 1, targets: 2, snapshot: 2, timestamp: 2 });
    assert.equal(await repository.signs({ ...manifest, digest: '9'.repeat(64) }, null), false);
    const bill = { digest: '7'.repeat(64), size: 7 };
    assert.deepEqual(
      [await repository.signs(manifest, null), await repository.signs(manifest, bill)],
      [true, false],
    );
  });

  await t.test(
    'a root follows the one before, is good, and takes along the targets that it does not vouch for',
    async () => {
      const follow = (change: object, signers: readonly Signer[] = people.root, nowMs = start) =>
        signedBy(nextRoot(root, change, nowMs), signers);
      const strangers = [newSigner(), newSigner()];
      assert.equal(await rule([await follow({ root: two(strangers) }, strangers)]), 'unsigned');
      assert.equal(await rule([await follow({ root: two(strangers) })]), 'unsigned', 'and by itself');
      assert.equal(await rule([await follow({}, people.root, start - 731 * dayMs)]), 'expired');
      assert.equal(await rule([await follow({ snapshot: one(newSigner()) })]), 'other_keys');
      const loose = nextRoot(root, {}, start);
      Object.defineProperty(loose.signed, 'consistentSnapshot', { value: false });
      assert.equal(await rule([await signedBy(loose, people.root)]), 'unsupported');
      const skipping = makeRoot(settings, 3, start);
      assert.equal(await rule([await signedBy(skipping, people.root)]), 'wrong_version');

      people.targets = [newSigner(), newSigner()];
      const replacing = await follow({ targets: two(people.targets) });
      assert.equal(await rule([replacing]), 'unsigned', 'nobody would take the targets in force any more');
      const anew = nextTargets((await newest('targets')).signed as Targets, {}, start);
      assert.equal(await rule([replacing], await signedBy(anew, people.targets)), 'taken');
      assert.deepEqual(await versions(), { root: 2, targets: 3, snapshot: 3, timestamp: 3 });
    },
  );

  await t.test('it renews its own, and no clock moves the time back that devices rely on', async () => {
    const issued = async () => issuedMs((await newest('timestamp')).signed as Timestamp);
    assert.equal(await repository.renew(), 'fresh');
    clock.nowMs += 2 * dayMs;
    assert.equal(await repository.renew(), 'renewed');
    assert.deepEqual(await versions(), { root: 2, targets: 3, snapshot: 3, timestamp: 4 });
    assert.equal(await issued(), start + 2 * dayMs);
    clock.nowMs = start;
    const more = nextTargets((await newest('targets')).signed as Targets, {}, start);
    assert.equal(await rule([], await signedBy(more, people.targets)), 'taken');
    assert.equal(await issued(), start + 2 * dayMs);
    clock.nowMs = start + 14 * dayMs;
    assert.equal(await repository.renew(), 'renewed');
    assert.deepEqual(await versions(), { root: 2, targets: 4, snapshot: 5, timestamp: 6 });
  });

  await t.test('a device that has the first root follows all of it', async () => {
    const files = await Promise.all(
      (await repository.inForce()).map(async ({ role, version }) => {
        const { bytes } = (await repository.file(role, Number(version)))!;
        return { role, version: Number(version), bytes };
      }),
    );
    const device = createDeviceTrust({
      ...{ storage: memoryStorage(), anchor: (await repository.file('root', 1))!.bytes, builtAtMs: start },
      ...{ uptimeMs: () => 0, wallMs: () => start },
    });
    assert.equal((await device.verify(manifest, files, 'one')).kind, 'signed');
  });
});
