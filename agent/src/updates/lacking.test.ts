import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Preflight } from '../install/installer.ts';
import type { Update } from '../machine/update.ts';
import { createLacking } from './lacking.ts';

const manifest = { transferId: 't-1', digest: 'ab'.repeat(32), version: '2.0' };
const update: Update = { updateId: 'a-1', target: 'patch', manifest };

function lackingWith(requirements: () => Promise<Preflight>, isHere = true) {
  const sleep = (_ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      // Time passes only while nothing else happens.
      setImmediate(() => setImmediate(resolve));
      signal.addEventListener('abort', () => resolve());
    });
  return createLacking({ manifests: { of: () => (isHere ? {} : null) } as never, requirements, sleep })(
    update,
  );
}

test('what passes by itself is told to whoever confirms', async () => {
  const reason = 'it needs mains power, and the machine is on battery: plug it in';
  assert.equal(await lackingWith(async () => ({ kind: 'unmet', reason, passing: true })), reason);
});

test('nothing speaks against it: all is there, it would not help to wait, it is not known, or not in time', async () => {
  assert.equal(await lackingWith(async () => ({ kind: 'met' })), null);
  assert.equal(
    await lackingWith(async () => ({ kind: 'unmet', reason: 'another release comes first' })),
    null,
  );
  assert.equal(await lackingWith(async () => assert.fail('the manifest is not here'), false), null);
  assert.equal(await lackingWith(async () => Promise.reject(new Error('no host service'))), null);
  assert.equal(await lackingWith(() => new Promise(() => {})), null);
});
