import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openImageRecord } from './image-record.ts';

function pathFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-images-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'images.json');
}

const image = (digit: string) => ({ digest: digit.repeat(64), size: 1000 });

test('what was written where is known after a restart, partition by partition and slot by slot', (t) => {
  const path = pathFor(t);
  const record = openImageRecord(path);
  record.put('a', 'system', image('1'));
  record.put('b', 'system', image('2'));
  record.put('b', 'kernel', image('3'));
  record.put('a', 'system', null);
  const again = openImageRecord(path);
  assert.equal(again.of('a', 'system'), null);
  assert.deepEqual(again.of('b', 'system'), image('2'));
  assert.deepEqual(again.of('b', 'kernel'), image('3'));
  assert.equal(again.of('b', 'data'), null);
});

test('a record that says nonsense is set aside, and nothing is known', (t) => {
  const path = pathFor(t);
  for (const text of ['{"a":', '[]x', '{"b":{"system":{"digest":"short","size":1}}}', '{"a":{"system":7}}']) {
    writeFileSync(path, text);
    assert.equal(openImageRecord(path).of('b', 'system'), null);
    assert.ok(existsSync(`${path}.damaged`), text);
    rmSync(`${path}.damaged`);
  }
});
