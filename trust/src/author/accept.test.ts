import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newSigner, signedBy } from '../testing/repository.ts';
import { acceptTargets, endsTooLate } from './accept.ts';
import { makeRoot } from './roots.ts';
import { nextTargets } from './targets.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 30);

test('targets that would be good for longer than a year are not taken in, clocks that differ by a day aside', async () => {
  const signer = newSigner();
  const one = { keys: [signer.key], threshold: 1 };
  const root = makeRoot({ root: one, targets: one, snapshot: one, timestamp: one }, 1, nowMs).signed;
  const madeAt = async (ms: number) => {
    const bytes = await signedBy(nextTargets(null, {}, ms), [signer]);
    return acceptTargets(root, null, bytes, nowMs);
  };
  assert.equal((await madeAt(nowMs + dayMs)).kind, 'accepted');
  assert.equal(
    (await madeAt(nowMs - 300 * dayMs)).kind,
    'accepted',
    'they were signed long ago, and are good',
  );
  assert.deepEqual(await madeAt(nowMs + dayMs + 1_000), {
    kind: 'refused',
    rule: 'ends_too_late',
    detail: 'targets 1 would be good until 2027-12-01T00:00:01Z, for more than 365 days',
  });
  assert.equal(endsTooLate('root', root, nowMs - dayMs), undefined);
  assert.match(
    endsTooLate('root', root, nowMs - 2 * dayMs)?.detail ?? '',
    /root 1 .* for more than 730 days/,
  );
});
