import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeDocuments } from './fake-documents.ts';
import { openPolicies } from './policies.ts';

test('the policies that Azure creates exist from the start, with their rights and different random keys', async () => {
  const policies = await openPolicies({ store: createFakeDocuments() });
  const rights = Object.fromEntries(policies.list().map((policy) => [policy.name, policy.rights.join()]));
  assert.deepEqual(rights, {
    iothubowner: 'RegistryRead,RegistryWrite,ServiceConnect,DeviceConnect',
    service: 'ServiceConnect',
    device: 'DeviceConnect',
    registryRead: 'RegistryRead',
    registryReadWrite: 'RegistryRead,RegistryWrite',
  });
  const keys = policies.list().flatMap((policy) => [policy.primaryKey, policy.secondaryKey]);
  assert.equal(new Set(keys).size, 10);
  for (const key of keys) assert.equal(Buffer.from(key, 'base64').length, 32);
});

test('the keys survive a restart', async () => {
  const store = createFakeDocuments();
  const before = await openPolicies({ store });
  const after = await openPolicies({ store: createFakeDocuments(store.stored) });
  assert.deepEqual(after.list(), before.list());
});

test('a policy is found without regard to case', async () => {
  const policies = await openPolicies({ store: createFakeDocuments() });
  assert.equal(policies.get('IotHubOwner')?.name, 'iothubowner');
  assert.equal(policies.get('nobody'), undefined);
});
