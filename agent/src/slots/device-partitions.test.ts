import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type BlockDevices, createBlockDevices } from './block-devices.ts';
import { createDevicePartitions, placesOf } from './device-partitions.ts';
import { openImageRecord } from './image-record.ts';
import { createRecordedPartitions } from './recorded-partitions.ts';
import { SlotsError } from './slots-error.ts';

const onLinux = { skip: process.platform !== 'linux' && 'it reads what Linux says of block devices' };

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-devices-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Devices by path, as if Linux had said so; `/dev/a` holds `/var/lib/agent`. */
const devices: BlockDevices = {
  numberOf: (path) => ({ '/dev/a': '8:1', '/dev/b': '8:2', '/dev/disk/a': '8:1' })[path] ?? '8:9',
  bytes: (path) => (path === '/dev/b' ? 1000 : 2000),
  under: (folder) => (folder === '/var/lib/agent' ? ['253:0', '8:1'] : ['8:7']),
};
const system = { name: 'system', places: { a: '/dev/a', b: '/dev/b' }, fileBytes: null };
const unfit = (message: RegExp) => (error: unknown) =>
  error instanceof SlotsError && error.reason === 'partition_unfit' && message.test(error.message);

test('a partition that holds the agent’s own folders, or is two places at once, is refused at the start', () => {
  const make = (partitions: Parameters<typeof createDevicePartitions>[0]['partitions'], kept = '/srv') =>
    createDevicePartitions({ partitions, devices, keptFolders: [kept] });
  assert.throws(
    () => make([system], '/var/lib/agent'),
    unfit(/\/dev\/a of system holds \/var\/lib\/agent, which a base would overwrite/),
  );
  const twice = { ...system, places: { a: '/dev/a', b: '/dev/disk/a' } };
  assert.throws(() => make([twice]), unfit(/\/dev\/disk\/a of system is also a place of system/));
});

test('a partition is as large as in the slot where it is smaller, and one that is not named is not there', async () => {
  const partitions = createDevicePartitions({ partitions: [system], devices, keptFolders: [] });
  assert.equal(await partitions.bytes('system'), 1000);
  assert.equal(await partitions.bytes('scans'), null);
});

test('a file of a shared partition is written anew, within its room', async (t) => {
  const folder = folderFor(t);
  const at = (name: string) => join(folder, name);
  const kernel = { name: 'kernel', places: { a: at('a'), b: at('b') }, fileBytes: 1000 };
  const partitions = createDevicePartitions({ partitions: [kernel], devices, keptFolders: [] });
  const order = {
    signal: new AbortController().signal,
    onPiece: () => undefined,
    onFlushed: () => undefined,
  };
  const imageOf = (bytes: Buffer) => {
    writeFileSync(at('image'), bytes);
    const digest = createHash('sha256').update(bytes).digest('hex');
    return { path: at('image'), digest, minPartitionBytes: 1 };
  };
  writeFileSync(at('b'), randomBytes(900));
  const bytes = randomBytes(700);
  assert.deepEqual(await partitions.write('b', 'kernel', imageOf(bytes), order), {
    kind: 'written',
    bytes: 700,
  });
  assert.deepEqual(readFileSync(at('b')), bytes);
  assert.equal((await partitions.write('b', 'kernel', imageOf(randomBytes(1001)), order)).kind, 'unfit');
});

test('what a partition was written with is known until it is written again, and where it can be read', async (t) => {
  const folder = folderFor(t);
  const at = (name: string) => join(folder, name);
  const kernel = { name: 'kernel', places: { a: at('a'), b: at('b') }, fileBytes: 1000 };
  const gone = { ...system, name: 'gone', places: { a: '/dev/a', b: '/dev/none' } };
  const own = [kernel, gone];
  const withoutNone = {
    ...devices,
    bytes(path: string) {
      if (path === '/dev/none') throw new SlotsError('partition_unfit', `${path} does not exist`);
      return devices.bytes(path);
    },
  };
  const partitions = createRecordedPartitions({
    partitions: createDevicePartitions({ partitions: own, devices, keptFolders: [] }),
    record: openImageRecord(at('images.json')),
    places: placesOf(own, withoutNone),
  });
  const order = (signal: AbortSignal) => ({ signal, onPiece: () => undefined, onFlushed: () => undefined });
  const bytes = randomBytes(700);
  writeFileSync(at('image'), bytes);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const image = { path: at('image'), digest, minPartitionBytes: 1 };
  const onGone = { partition: 'gone', path: '/dev/a', bytes: 2000, image: null };

  await partitions.write('b', 'kernel', image, order(new AbortController().signal));
  const held = { partition: 'kernel', path: at('b'), bytes: 700, image: { digest, size: 700 } };
  assert.deepEqual(await partitions.images?.(), [held, onGone]);

  await partitions.write('b', 'kernel', image, order(AbortSignal.abort()));
  writeFileSync(at('b'), bytes);
  assert.deepEqual(await partitions.images?.(), [{ ...held, image: null }, onGone]);
});

test(
  'which devices a folder lies on is told by its mount, through what the device is made of',
  onLinux,
  (t) => {
    const folder = folderFor(t);
    const at = (...parts: string[]) => join(folder, ...parts);
    const put = (path: string, text: string) => {
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, text);
    };
    const data = at('with space');
    mkdirSync(data);
    const escaped = data.replace(' ', '\\040');
    put(
      at('mountinfo'),
      `1 0 8:2 / / rw - ext4 /dev/sda2 rw\n2 1 253:0 / ${escaped} rw shared:1 - ext4 /dev/mapper/data rw\n`,
    );
    put(at('sys/dev/block/8:2/size'), '2048\n');
    put(at('sys/dev/block/253:0/slaves/sda3/dev'), '8:3\n');
    put(at('sys/dev/block/8:3/size'), '4096\n');
    const found = createBlockDevices({ sysfs: at('sys'), mountInfo: at('mountinfo') });
    assert.throws(() => found.numberOf(at('mountinfo')), unfit(/is no block device/));
    assert.throws(() => found.numberOf('/dev/nothing'), unfit(/does not exist/));
    assert.deepEqual(found.under(join(data, 'not', 'made')), ['253:0', '8:3']);
    assert.deepEqual(found.under('/etc'), ['8:2']);
    put(at('mountinfo'), '1 0 0:25 / / rw - overlay overlay rw\n');
    assert.throws(() => found.under('/etc'), unfit(/cannot be told/));
  },
);
