/** Nothing is written to a slot that was not made ready for it, least of all to the one that runs. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootFileImageSlots, createFileImageSlots } from './file-image-slots.ts';

test('an image is written for the content that the slot was made ready for, and never while that slot is on trial', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const slots = createFileImageSlots({ folder, partitions: { system: 4_096 } });
  const imageOf = (text: string) => {
    const path = join(folder, text);
    writeFileSync(path, text);
    return { path, digest: createHash('sha256').update(text).digest('hex'), minPartitionBytes: 1 };
  };
  const [one, other] = ['1'.repeat(64), '2'.repeat(64)];
  const write = (content: string, text: string) => slots.write(content, 'system', imageOf(text), t.signal);
  const unready = { kind: 'unfit', reason: 'the other slot was not made ready for this content' };
  const spare = () => readFileSync(join(folder, 'b', 'system.img'), 'utf8').replaceAll('\0', '');

  assert.deepEqual(await write(one, 'first'), unready);
  assert.equal(await slots.begin(one), null);
  assert.deepEqual(await write(other, 'second'), unready);
  assert.deepEqual(await write(one, 'first'), { kind: 'written', bytes: 5 });
  assert.deepEqual(await write(other, 'second'), unready);
  assert.equal(await slots.finish(one, ['system']), null);
  assert.equal(await slots.arm({ job: 'job', content: one, armedIn: '0' }), null);
  assert.equal(bootFileImageSlots(folder), 'b');
  assert.deepEqual(await write(one, 'first'), unready, 'it runs');
  assert.notEqual(await slots.begin(other), null);
  assert.deepEqual(await write(other, 'second'), unready);
  assert.equal(spare(), 'first');
});
