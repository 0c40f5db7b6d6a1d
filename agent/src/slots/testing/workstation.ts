/** A workstation with two slots of files, for tests: it can be started, restarted, and have its power cut. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type BaseSchema, type Manifest, ManifestSchema, PartitionRole } from '@iotdh/proto/update/v1';
import type { Clock } from '../../install/clock.ts';
import { type BaseInstaller, type BaseJob, createBaseInstaller } from '../base-installer.ts';
import type { OnFailPoint } from '../fail-point.ts';
import { bootFileImageSlots, createFileImageSlots } from '../file-image-slots.ts';
import type { Prove } from '../prove-system.ts';
import type { Slots } from '../slots.ts';
import { stepRecordsIn } from '../step-record.ts';

const mebibyte = 1024 * 1024;
export const partitions = { boot: 4 * mebibyte, data: 2 * mebibyte };
const hexOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A clock that stands still; what is to happen later happens when `elapse` says so. */
export function stillClock(): Clock & { elapse(): void } {
  const due = new Set<() => void>();
  return {
    now: () => Date.UTC(2025, 0, 1),
    monotonicMs: () => 0,
    after(_ms, callback) {
      due.add(callback);
      return () => due.delete(callback);
    },
    elapse() {
      for (const callback of [...due]) callback();
    },
  };
}

export type Workstation = {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly manifestDigest: string;
  /** What `boot.img` of the running slot holds: the system before, the new one, or neither. */
  running(): 'old' | 'new' | 'broken';
  /** The boot loader's part of a start. Fails when a slot comes up that is not wholly one system or the other. */
  boot(): void;
  /** After a power cut: what was not flushed may be anything. */
  scramble(): void;
  slots(onFailPoint?: OnFailPoint): Slots;
  installer(options: { prove: Prove; onFailPoint?: OnFailPoint; restart?: () => void }): BaseInstaller;
  job(id: string, signal: AbortSignal): BaseJob;
};

/** Set up anew, or found as it was left: everything lies in `folder`. */
export function workstationIn(folder: string, base: MessageInitShape<typeof BaseSchema> = {}): Workstation {
  const slotsFolder = join(folder, 'slots');
  const contents = join(folder, 'contents');
  const set = (name: string, make: () => Buffer): Buffer => {
    const path = join(contents, name);
    mkdirSync(contents, { recursive: true });
    try {
      return readFileSync(path);
    } catch {
      const bytes = make();
      writeFileSync(path, bytes);
      return bytes;
    }
  };
  const bootIdPath = join(folder, 'boot-id');
  const bootId = () => Number(readFileSync(bootIdPath, 'utf8'));
  const old = set('old', () => randomBytes(100_000));
  const image = set('image', () =>
    Buffer.concat([randomBytes(50_000), Buffer.alloc(mebibyte), randomBytes(70_000)]),
  );
  const data = set('data', () => randomBytes(30_000));
  const slots = (onFailPoint?: OnFailPoint) =>
    createFileImageSlots({
      folder: slotsFolder,
      partitions,
      ...(onFailPoint === undefined ? {} : { onFailPoint }),
    });
  slots();
  try {
    bootId();
  } catch {
    writeFileSync(bootIdPath, '1');
    writeFileSync(join(slotsFolder, 'a', 'boot.img'), old);
  }

  for (const bytes of [image, data]) writeFileSync(join(contents, hexOf(bytes)), bytes);
  const manifest = create(ManifestSchema, {
    formatVersion: 1,
    name: 'baseline',
    version: '2.0',
    title: 'The baseline',
    createTime: timestampFromMs(0),
    content: {
      case: 'base',
      value: {
        partitions: [
          {
            name: 'boot',
            role: PartitionRole.BOOT,
            digest: Buffer.from(hexOf(image), 'hex'),
            minPartitionBytes: BigInt(2 * mebibyte),
          },
          {
            name: 'data',
            role: PartitionRole.DATA,
            digest: Buffer.from(hexOf(data), 'hex'),
            minPartitionBytes: 1n,
          },
          {
            name: 'scans',
            role: PartitionRole.DATA,
            digest: Buffer.from(hexOf(old), 'hex'),
            minPartitionBytes: 1n,
          },
        ],
        products: [{ product: 'System', version: '2.0' }],
        ...base,
      },
    },
  });

  const bootedSlot = () => readFileSync(join(slotsFolder, 'booted'), 'utf8').trim();
  function running(): ReturnType<Workstation['running']> {
    const bytes = readFileSync(join(slotsFolder, bootedSlot(), 'boot.img'));
    if (bytes.subarray(0, image.length).equals(image)) return 'new';
    return bytes.subarray(0, old.length).equals(old) ? 'old' : 'broken';
  }

  return {
    folder,
    manifest,
    manifestDigest: 'd'.repeat(64),
    running,
    slots,
    boot() {
      bootFileImageSlots(slotsFolder);
      writeFileSync(bootIdPath, String(bootId() + 1));
      assert.notEqual(running(), 'broken', `slot ${bootedSlot()} came up with neither system`);
    },
    scramble() {
      const { good, spare } = JSON.parse(readFileSync(join(slotsFolder, 'boot-environment.json'), 'utf8'));
      if (spare.kind === 'whole') return;
      for (const name of Object.keys(partitions)) {
        if (spare.kind === 'writing' && spare.partitions.includes(name)) continue;
        writeFileSync(join(slotsFolder, good === 'a' ? 'b' : 'a', `${name}.img`), randomBytes(1000));
      }
    },
    installer: ({ prove, onFailPoint, restart = () => undefined }) =>
      createBaseInstaller({
        slots: slots(onFailPoint),
        host: {
          bootId: async () => `boot-${bootId()}`,
          async restartMachine() {
            restart();
            return { kind: 'done' };
          },
        },
        prove,
        products: {
          set: async (product, version) => writeFileSync(join(folder, `product-${product}`), version),
        },
        records: stepRecordsIn(folder),
        clock: stillClock(),
        ...(onFailPoint === undefined ? {} : { onFailPoint }),
      }),
    job: (id, signal) => ({
      id,
      manifest,
      manifestDigest: 'd'.repeat(64),
      contentPath: (digestHex) => join(contents, digestHex),
      signal,
      progress: () => undefined,
    }),
  };
}
