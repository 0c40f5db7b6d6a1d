import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, firstMissing } from './versions.ts';

function assertAscending(text: string): void {
  const ascending = text.trim().split(/\s+/);
  for (const [index, version] of ascending.entries()) {
    for (const [other, against] of ascending.entries()) {
      assert.equal(
        Math.sign(compareVersions(version, against)),
        Math.sign(index - other),
        `${version} and ${against}`,
      );
    }
  }
}

test('versions are compared part by part, numbers as numbers', () => {
  assertAscending('1.0~rc1 1.0 1.2 1.10 1.10.1 2.0-beta 2.0 10.0.26100.2314 10.0.26100.10000');
  for (const [left, right] of [
    ['1.2', '1.2.0'],
    ['007', '7'],
    ['1.0-RC1', '1.0.0-rc1'],
    ['1.2.0+b1', '1.2+b1'],
    ['0:1.2-3', '1.2-3'],
  ] as const) {
    assert.equal(compareVersions(left, right), 0, `${left} and ${right}`);
  }
});

test('a security fix of a Debian package is higher than what it fixes, and an epoch outweighs the version', () => {
  assertAscending('7.88.1-10~bpo11+1 7.88.1-10 7.88.1-10+deb12u5 7.88.1-10+deb12u12 7.88.1-11 7.88.2-1');
  assertAscending('1.2 1.2-3 1.2-3ubuntu1 1.2-3ubuntu1.1 1.2-3+b1 1.2-3.1 1.2a-1 1.2+dfsg-1 1.2.1-1 2:0.1-1');
  assertAscending('15.8-0+deb12u1~rc2 15.8-0+deb12u1 15.9-0+deb12u1 1:1.0 1:2.0');
  assert.ok(compareVersions('1:2.0', '1.2.0') > 0);
});

test('pre-releases come before their release, in the order of SemVer, and build metadata count', () => {
  assertAscending(`1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1
    1.0.0 1.0.0+build.4 1.0.0+build.11 1.0.1-dev 1.0.1-preview2 1.0.1rc1 1.0.1 2.0.0`);
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
