import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openProducts } from './products.ts';

test('what a machine has had is remembered over restarts, and what was taken back is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-products-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'products.json');
  // As an agent of before has written it.
  const old = { kind: 'host_application', product: 'Carto', version: '8.0', installTimeMs: 1 };
  writeFileSync(path, JSON.stringify([old]));
  const open = () =>
    openProducts({ path, now: () => 2, onChange: () => undefined, onDamaged: () => assert.fail('damaged') });
  const register = open();
  const historyOf = (name: string, { all } = register) =>
    all().flatMap(({ product, version, earlier = [] }) => (product === name ? [...earlier, version] : []));
  assert.deepEqual(historyOf('Carto'), ['8.0']);
  await register.set('Carto', '8.1');
  await register.set('Carto', '8.0');
  assert.deepEqual(historyOf('Carto'), ['8.0'], '8.1 failed its check');
  await register.set('Carto', '8.1');
  await register.set('Carto', '8.1', 'third_party');
  await register.set('Carto', '8.2');
  assert.deepEqual(historyOf('Carto', open()), ['8.0', '8.1', '8.2']);
  for (let patch = 1; patch <= 40; patch += 1) await register.set('Carto', `9.${patch}`);
  assert.equal(historyOf('Carto').length, 33);
  await register.set('Carto', null);
  assert.deepEqual(historyOf('Carto'), []);
});
