import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, firstMissing } from './versions.ts';

test('versions are compared part by part, numbers as numbers', () => {
  const ascending = [
    '1.0~rc1',
    '1.0',
    '1.2',
    '1.10',
    '1.10.1',
    '2.0-beta',
    '2.0',
    '10.0.26100.2314',
    '10.0.26100.10000',
  ];
  for (const [index, version] of ascending.entries()) {
    for (const [other, against] of ascending.entries()) {
      assert.equal(
        Math.sign(compareVersions(version, against)),
        Math.sign(index - other),
        `${version} and ${against}`,
      );
    }
  }
  assert.equal(compareVersions('1.2', '1.2.0'), 0);
  assert.equal(compareVersions('007', '7'), 0);
});

test('a version that a machine must pass through is one that it has had, unless it came to us beyond it', () => {
  const step = (text: string) => text.split(' ').map((version) => ({ product: 'Carto', version }));
  const cases: [mustPassThrough: string, had: string[], missing: string | null][] = [
    ['8.1', [], '8.1'],
    ['8.1', ['8.0'], '8.1'],
    ['8.1', ['8.1'], null],
    ['8.1', ['8.1.0', '8.2'], null],
    ['8.1', ['8.0', '8.1', '8.2'], null],
    ['8.1', ['8.0', '8.2'], '8.1'],
    ['8.1', ['8.2'], null],
    ['8.1 8.3', ['8.0', '8.1', '8.2'], '8.3'],
    ['8.1 8.3', ['8.0', '8.2'], '8.1'],
    ['8.1 8.3', ['8.0', '8.3', '8.1'], '8.3'],
    ['8.1 8.3', ['8.0', '8.1', '8.3', '9'], null],
    ['8.1-rc1 8.1', ['8.0', '8.1'], '8.1-rc1'],
  ];
  for (const [wanted, had, missing] of cases) {
    const found = firstMissing(step(wanted), (product) => (product === 'Carto' ? had : []));
    assert.equal(found?.version ?? null, missing, `${wanted} after ${had.join(' ')}`);
  }
});
