import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RunProgram } from '../../install/process-group.ts';
import { realClock } from '../../install/testing/real-clock.ts';
import { createSlots } from '../create-slots.ts';
import { createLoaderStore } from '../loader-store.ts';
import { readEnvironment } from '../read-environment.ts';
import { SlotsError } from '../slots-error.ts';
import { createAskWindows } from './ask-windows.ts';
import { createWindowsBootLoader } from './windows-boot-loader.ts';
import { createWindowsPartitions } from './windows-partitions.ts';

const places = {
  a: '{1F0C2A4E-0000-4a11-8b11-a00000000001}',
  b: '{1f0c2a4e-0000-4a11-8b11-b00000000002}',
};

/** A Windows that gives recorded answers, in order, and remembers its orders. */
function replay(...names: string[]) {
  const orders: Record<string, unknown>[] = [];
  const rest = [...names];
  const run: RunProgram = (command, { input }) => {
    assert.equal(command.file, 'powershell.exe');
    orders.push(JSON.parse(input ?? ''));
    const name = rest.shift();
    assert.ok(name !== undefined, `nothing is recorded for ${input}`);
    const recorded = readFileSync(join(import.meta.dirname, 'fixtures', `${name}.json`), 'utf8');
    // The script prints it on one line (ConvertTo-Json -Compress).
    const stdout = `${JSON.stringify(JSON.parse(recorded))}\r\n`;
    return Promise.resolve({ kind: 'exited', exitCode: 0, output: stdout, stdout });
  };
  const ask = createAskWindows({ clock: realClock, redact: (text) => text, environment: {}, run });
  return { ask, orders, rest };
}

function imageIn(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-wim-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'install.wim');
  writeFileSync(path, 'MSWIM');
  const digest = createHash('sha256').update('MSWIM').digest('hex');
  return { path, digest, minPartitionBytes: 1024 };
}

/** The slots of a machine whose record is kept in memory. */
function slotsOf(windows: ReturnType<typeof replay>, boot: () => string) {
  let text: string | null = null;
  const record = {
    read: () => text,
    write(written: string) {
      text = written;
    },
  };
  const loader = createWindowsBootLoader(windows.ask, places);
  const store = createLoaderStore({ loader, record, parse: readEnvironment, bootId: async () => boot() });
  const partitions = createWindowsPartitions(windows.ask, [{ name: 'windows', places }], []);
  return createSlots({ store, partitions });
}

test('a base goes to the other partition, is started once, and becomes the default once it is proven', async (t) => {
  const image = imageIn(t);
  let boot = 'boot-1';
  const windows = replay(
    ...['at-rest', 'at-rest', 'at-rest'],
    ...['size', 'size', 'at-rest', 'applied', 'at-rest'],
    ...['at-rest', 'at-rest', 'offered', 'armed'],
    ...['on-trial', 'proven', 'proven'],
  );
  const slots = slotsOf(windows, () => boot);
  assert.equal(await slots.begin('base-1'), null);
  const { signal } = new AbortController();
  assert.deepEqual(await slots.write('base-1', 'windows', image, signal), { kind: 'written', bytes: 5 });
  assert.equal(await slots.finish('base-1', ['windows']), null);
  assert.equal(await slots.arm({ job: 'job-1', content: 'base-1', armedIn: boot }), null);
  boot = 'boot-2';
  assert.equal(await slots.markGood(), null);
  const { booted, environment } = await slots.inspect();
  assert.equal(booted, 'b');
  assert.equal(environment.good, 'b');
  assert.deepEqual(windows.rest, []);
  const changes = windows.orders.filter(({ action }) => action !== 'read' && action !== 'size');
  assert.deepEqual(changes, [
    { action: 'start_by_default', partition: places.a.toLowerCase() },
    { action: 'withdraw', partition: places.b },
    { action: 'apply', partition: places.b, image: image.path, index: 1 },
    { action: 'offer', partition: places.b },
    { action: 'start_once', partition: places.b },
    { action: 'start_by_default', partition: places.b },
  ]);
});

test('a partition whose files are not those of the image is unfit, and an image that is not its digest’s is not applied', async (t) => {
  const image = imageIn(t);
  const order = {
    signal: new AbortController().signal,
    onPiece: () => undefined,
    onFlushed: () => undefined,
  };
  const different = replay('different');
  const partitions = createWindowsPartitions(different.ask, [{ name: 'windows', places }], []);
  const end = await partitions.write('b', 'windows', image, order);
  assert.ok(end.kind === 'unfit' && /does not hold what was written: .*ntoskrnl/.test(end.reason));
  const wrong = await partitions.write('b', 'windows', { ...image, digest: '0'.repeat(64) }, order);
  assert.ok(wrong.kind === 'unfit' && /digest/.test(wrong.reason));
  assert.equal(different.orders.length, 1);
});

test('what a tool says when it fails is told, and an order that was not kept is an error', async () => {
  const failing = createWindowsPartitions(replay('dism-failed').ask, [{ name: 'windows', places }], []);
  await assert.rejects(
    failing.bytes('windows'),
    (error) =>
      error instanceof SlotsError &&
      error.reason === 'order_failed' &&
      /not enough space/.test(error.message),
  );
  const forgetful = createWindowsBootLoader(replay('at-rest').ask, places);
  await assert.rejects(forgetful.startOnce('b'), /did not keep it/);
});

test('a Windows that runs from neither slot is not touched', async () => {
  const loader = createWindowsBootLoader(replay('elsewhere').ask, places);
  await assert.rejects(
    loader.read(),
    (error) => error instanceof SlotsError && error.reason === 'running_slot_unknown',
  );
});

test('a partition that holds the agent’s own folder is refused before anything is written', async (t) => {
  const image = imageIn(t);
  const windows = replay('partition-of', 'partition-of');
  const kept = ['C:\\ProgramData\\iotdh-agent'];
  const partitions = createWindowsPartitions(windows.ask, [{ name: 'windows', places }], kept);
  const isRefused = (error: unknown) =>
    error instanceof SlotsError && error.reason === 'partition_unfit' && /holds C:/.test(error.message);
  const order = {
    signal: new AbortController().signal,
    onPiece: () => undefined,
    onFlushed: () => undefined,
  };
  await assert.rejects(partitions.bytes('windows'), isRefused);
  await assert.rejects(partitions.write('b', 'windows', image, order), isRefused);
  assert.ok(windows.orders.every(({ action }) => action === 'partition_of'));
});
