import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ContentOrigin, UpdateOutcome, type UpdateResult } from '@iotdh/proto/bus/v1';
import { bootFileImageSlots } from './slots/file-image-slots.ts';
import { addBase, addPatch, type TestPack } from './testing/pack.ts';
import { createWorkstation } from './testing/workstation.ts';
import { addDelta } from './transfer/testing/forms.ts';
import { bytesOf, hex, sha256 } from './transfer/testing/pack.ts';

/** A workstation with two slots of files, whose machine can be restarted. */
async function createMachine(t: TestContext) {
  const machine = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(machine, { recursive: true }));
  const slots = join(machine, 'slots');
  const bootIdFile = join(machine, 'boot-id');
  writeFileSync(bootIdFile, '0');
  const station = await createWorkstation(t, (folder) => ({
    slots: { folder: slots },
    partitions: [{ name: 'system', role: 'boot', bytes: 1_048_576 }],
    bootIdFile,
    restartCommand: ['touch', join(folder, 'restart')],
  }));
  await station.client.ready();
  await station.reached('READY');

  /** A patch that fails its check, until its base is being carried. */
  async function failing(version: string, base: TestPack): Promise<void> {
    const patch = addPatch(station.blobs, { version, check: 'exit 3\n' });
    await station.cloud.offer(patch, { fallback: base.ref });
    await station.reached('WAIT_CONFIRM_PATCH');
    await station.confirm();
    await station.reached('INTRANSIT_BASE');
  }

  /** From the carried base to the result that is told of it; answers with the slot that runs, too. */
  async function applied({ ref }: TestPack): Promise<{ result: UpdateResult; slot: string }> {
    await station.reached('WAIT_CONFIRM_BASE');
    await station.confirm();
    await station.made('restart');
    await station.kill('SIGKILL');
    rmSync(join(station.folder, 'restart'));
    const slot = bootFileImageSlots(slots);
    writeFileSync(bootIdFile, `${Number(readFileSync(bootIdFile, 'utf8')) + 1}`);
    await station.start();
    await station.reached('READY');
    const isOfBase = ({ manifestDigest }: UpdateResult) => Buffer.compare(manifestDigest, ref.digest) === 0;
    const { payload } = await station.cloud.said('updateResult', isOfBase);
    return { result: payload.value, slot };
  }

  const imageOf = (slot: string) => join(slots, slot, 'system.img');
  return { station, failing, applied, imageOf };
}

const originsOf = ({ origins }: UpdateResult) => origins.map(({ origin }) => origin);

test('a base takes a failed patch’s place: written, confirmed, started once, proven and told; the next is a delta of it', {
  timeout: 120_000,
}, async (t) => {
  const { station, failing, applied, imageOf } = await createMachine(t);
  const { blobs, cloud } = station;
  const images = [bytesOf(300_000, 1)];
  for (const change of ['changed', 'and again']) {
    const next = Buffer.from(images.at(-1)!);
    for (let at = 1000; at < next.length; at += 50_000) next.write(change, at);
    images.push(next);
  }
  const [first, second, third] = images as [Buffer, Buffer, Buffer];

  const base = addBase(blobs, '1.0', first);
  await failing('2.0', base);
  const { result, slot } = await applied(base);
  assert.equal(result.outcome, UpdateOutcome.APPLIED);
  assert.deepEqual(originsOf(result), [ContentOrigin.WHOLE]);
  assert.equal(slot, 'b');

  await t.test('over a kill while it is carried, by a twentieth of the bytes', async () => {
    const delta = await addDelta(blobs, [first], second);
    const next = addBase(blobs, '2.0', second, [delta]);
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    cloud.onReply((frames) => {
      if (!frames.some(({ objectDigest }) => hex(objectDigest) === hex(delta.digest))) return frames;
      resolve();
      return [];
    });
    await failing('3.0', next);
    await asked;
    await station.kill('SIGKILL');
    cloud.onReply((frames) => frames);
    await station.start();
    const told = await applied(next);
    assert.equal(told.result.outcome, UpdateOutcome.APPLIED);
    assert.deepEqual(originsOf(told.result), [ContentOrigin.DELTA]);
    assert.ok(told.result.carriedBytes < second.length / 20, `${told.result.carriedBytes} bytes`);
    assert.equal(told.slot, 'a');
    assert.ok(readFileSync(imageOf('a')).subarray(0, second.length).equals(second));
  });

  await t.test('a slot that was altered by one byte is no base, and the image comes whole', async () => {
    const delta = await addDelta(blobs, [second], third);
    const next = addBase(blobs, '3.0', third, [delta]);
    const partition = openSync(imageOf('a'), 'r+');
    writeSync(partition, Buffer.of(second[150_000]! ^ 1), 0, 1, 150_000);
    closeSync(partition);
    await failing('4.0', next);
    // It is applied as the first one was; here it is enough that all of it has come.
    await station.reached('WAIT_CONFIRM_BASE');
    const asked = new Set(cloud.requests.map(({ objectDigest }) => hex(objectDigest)));
    assert.ok(asked.has(hex(sha256(third))) && !asked.has(hex(delta.digest)));
    const said = /a\/system\.img no longer holds the image that a base wrote to system/;
    while (!said.test(station.output)) await station.outputGrows();
  });
});
