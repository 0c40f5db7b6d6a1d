import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { openRegistry } from './registry.ts';
import { type BulkMode, type BulkOperation, runBulk } from './registry-bulk.ts';

function open() {
  const store = createFakeDocuments();
  return { store, registry: openRegistry({ store, clock: createManualClock() }) };
}

const op = (mode: BulkMode, deviceId: string, etag?: string): BulkOperation => ({
  mode,
  device: { deviceId },
  etag,
});

test('every operation of a bulk request succeeds or fails by itself', async () => {
  const { registry } = open();
  const { etag } = await registry.create({ deviceId: 'old' });
  const result = await runBulk(registry, [
    op('create', 'new'),
    op('create', 'old'),
    op('create', 'bad id'),
    op('update', 'missing'),
    op('updateIfMatchETag', 'old', 'stale'),
    op('updateIfMatchETag', 'old', etag),
    op('delete', 'new'),
    op('copy' as BulkMode, 'old'),
    op('deleteIfMatchETag', 'old'),
    op('createOrUpdate', 'third'),
  ]);
  assert.equal(result.isSuccessful, false);
  assert.deepEqual(
    result.errors.map(({ deviceId, errorCode }) => `${deviceId}: ${errorCode}`),
    [
      'old: DeviceAlreadyExists',
      'bad id: ArgumentInvalid',
      'missing: DeviceNotFound',
      'old: PreconditionFailed',
      'old: ArgumentInvalid',
      'old: ArgumentInvalid',
    ],
  );
  const ids = new Set([...registry.identities()].map(({ deviceId }) => deviceId));
  assert.deepEqual(ids, new Set(['old', 'third']));
});

test('all operations are begun before the first is durable, so that they share one commit', async () => {
  const { registry, store } = open();
  store.hold();
  const operations = Array.from({ length: 100 }, (_, index) => op('create', `d${index}`));
  const result = runBulk(registry, operations);
  assert.equal([...registry.identities()].length, 100);
  store.release();
  assert.deepEqual(await result, { isSuccessful: true, errors: [], warnings: [] });
});

test('a bulk request has 1 to 100 operations', async () => {
  const { registry } = open();
  await assert.rejects(runBulk(registry, []), { code: 'ArgumentInvalid' });
  const operations = Array.from({ length: 101 }, (_, index) => op('create', `d${index}`));
  await assert.rejects(runBulk(registry, operations), { code: 'ArgumentInvalid', message: /not 101/ });
  assert.equal([...registry.identities()].length, 0);
});
