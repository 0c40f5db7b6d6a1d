import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createBlockDevices } from './block-devices.ts';
import { createDevicePartitions, placesOf } from './device-partitions.ts';
import { openImageRecord } from './image-record.ts';
import { createRecordedPartitions } from './recorded-partitions.ts';

const mebibyte = 1024 * 1024;

/** A block device that is full of something; null where this user or machine has none to give. */
function loopDevice(t: TestContext, folder: string, name: string): string | null {
  const file = join(folder, name);
  writeFileSync(file, Buffer.alloc(4 * mebibyte, 0xff));
  try {
    const device = execFileSync('losetup', ['--find', '--show', file], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
    t.after(() => execFileSync('losetup', ['--detach', device]));
    return device;
  } catch {
    return null;
  }
}

test('an image goes to a real block device, zeros over what was there, and never to one that is in use', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-loop-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [a, b] = [loopDevice(t, folder, 'a'), loopDevice(t, folder, 'b')];
  if (a === null || b === null) return t.skip('loop devices need root, losetup and a kernel that has them');
  const image = Buffer.concat([randomBytes(5000), Buffer.alloc(2 * mebibyte), randomBytes(777)]);
  const path = join(folder, 'image');
  writeFileSync(path, image);
  const digest = createHash('sha256').update(image).digest('hex');
  const devices = createBlockDevices();
  const own = [{ name: 'system', places: { a, b }, fileBytes: null }];
  const partitions = createRecordedPartitions({
    partitions: createDevicePartitions({ partitions: own, devices, keptFolders: [folder] }),
    record: openImageRecord(join(folder, 'images.json')),
    places: placesOf(own, devices),
  });
  assert.equal(await partitions.bytes('system'), 4 * mebibyte);
  const order = {
    signal: new AbortController().signal,
    onPiece: () => undefined,
    onFlushed: () => undefined,
  };
  const write = () => partitions.write('b', 'system', { path, digest, minPartitionBytes: 1 }, order);
  assert.deepEqual(await write(), { kind: 'written', bytes: image.length });
  const held = await readFile(b);
  assert.ok(held.subarray(0, image.length).equals(image));
  assert.equal(held[image.length], 0xff);
  assert.deepEqual(await partitions.images?.(), [
    { partition: 'system', path: a, bytes: 4 * mebibyte, image: null },
    { partition: 'system', path: b, bytes: 4 * mebibyte, image: { digest, size: image.length } },
  ]);

  const user = await open(b, constants.O_RDWR | constants.O_EXCL);
  try {
    await assert.rejects(write(), /EBUSY/);
  } finally {
    await user.close();
  }
});
