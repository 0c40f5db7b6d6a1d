import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SlotPartitions } from '../create-slots.ts';
import { createSlots } from '../create-slots.ts';
import { createLoaderStore } from '../loader-store.ts';
import { readEnvironment } from '../read-environment.ts';
import { SlotsError } from '../slots-error.ts';
import { systemdBootIn } from '../testing/systemd-boot-machine.ts';
import { createEfiVariables, fromText, toText } from './efi-variables.ts';
import { entryFile, parseEntryName } from './entry-name.ts';
import { entryText, slotOnCommandLine } from './entry-text.ts';
import { createSystemdBootLoader } from './systemd-boot-loader.ts';

const entry = (slot: string) => ({
  title: `System ${slot}`,
  linux: `/iotdh/${slot}/linux`,
  initrd: [`/iotdh/${slot}/initrd`],
  options: `root=PARTUUID=${slot} panic=30`,
});

function machineIn(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-systemd-boot-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const machine = systemdBootIn(folder);
  machine.boot();
  const unprotected: string[] = [];
  const variables = createEfiVariables({
    folder: machine.variablesFolder,
    unprotect: async (path) => void unprotected.push(path),
  });
  const entries = { a: entry('a'), b: entry('b') };
  const loader = createSystemdBootLoader({ ...machine, entries, variables });
  let record: string | null = null;
  let boots = 1;
  const store = createLoaderStore({
    loader,
    record: {
      read: () => record,
      write(text) {
        record = text;
      },
    },
    parse: readEnvironment,
    bootId: async () => `boot-${boots}`,
  });
  const partitions: SlotPartitions = {
    bytes: async () => 1024,
    write: async () => ({ kind: 'written', bytes: 1 }),
  };
  const boot = () => {
    boots += 1;
    return machine.boot();
  };
  return { machine, loader, slots: createSlots({ store, partitions }), boot, unprotected, folder };
}

async function armed(slots: ReturnType<typeof machineIn>['slots']): Promise<void> {
  const image = { path: '', digest: '', minPartitionBytes: 1 };
  assert.equal(await slots.begin('base-1'), null);
  await slots.write('base-1', 'system', image, new AbortController().signal);
  assert.equal(await slots.finish('base-1', ['system']), null);
  assert.equal(await slots.arm({ job: 'job-1', content: 'base-1', armedIn: 'boot-1' }), null);
}

test('a slot on trial has an entry of one try and the one-shot variable; once proven it is the default and loses its counter', async (t) => {
  const { machine, slots, boot } = machineIn(t);
  await armed(slots);
  assert.deepEqual(machine.entries(), ['iotdh-a.conf', 'iotdh-b+1.conf']);
  assert.equal(boot(), 'iotdh-b.conf');
  assert.deepEqual(machine.entries(), ['iotdh-a.conf', 'iotdh-b+0-1.conf']);
  assert.equal((await slots.inspect()).booted, 'b');
  assert.equal(await slots.markGood(), null);
  assert.deepEqual(machine.entries(), ['iotdh-a.conf', 'iotdh-b.conf']);
  assert.equal(toText(machine.variable('LoaderEntryDefault') ?? Buffer.alloc(0)), 'iotdh-b*');
  assert.equal(boot(), 'iotdh-b.conf');
  const { booted, environment } = await slots.inspect();
  assert.deepEqual([booted, environment.good, environment.trial], ['b', 'b', null]);
});

test('a slot that hangs is left at the next start, even when the firmware has forgotten everything', async (t) => {
  for (const forgets of [false, true]) {
    const { machine, slots, boot } = machineIn(t);
    await armed(slots);
    assert.equal(boot(), 'iotdh-b.conf');
    if (forgets) machine.set('LoaderEntryDefault', null);
    assert.equal(boot(), 'iotdh-a.conf');
    assert.equal(await slots.condemn(), null);
    assert.deepEqual(machine.entries(), ['iotdh-a.conf']);
    assert.equal((await slots.inspect()).environment.good, 'a');
    assert.equal(toText(machine.variable('LoaderEntryDefault') ?? Buffer.alloc(0)), 'iotdh-a*');
  }
});

test('a default that the firmware remembers of another disk is no slot of this one', async (t) => {
  const { machine, slots, boot } = machineIn(t);
  machine.set('LoaderEntryDefault', fromText('iotdh-b*'));
  assert.equal(boot(), 'iotdh-a.conf');
  const { booted, environment } = await slots.inspect();
  assert.deepEqual([booted, environment.good], ['a', 'a']);
  assert.deepEqual(machine.entries(), ['iotdh-a.conf']);
  assert.equal(toText(machine.variable('LoaderEntryDefault') ?? Buffer.alloc(0)), 'iotdh-a*');
  assert.equal(boot(), 'iotdh-a.conf');
});

test('without a record, a slot that runs and is not the default stays, until the default runs again', async (t) => {
  const { machine, loader, slots, boot } = machineIn(t);
  await loader.startByDefault('a');
  await loader.offer('b', 1);
  await loader.startOnce('b');
  assert.equal(boot(), 'iotdh-b.conf');
  assert.equal((await slots.inspect()).environment.good, 'a');
  assert.deepEqual(machine.entries(), ['iotdh-a.conf', 'iotdh-b+0-1.conf']);
  assert.equal(boot(), 'iotdh-a.conf');
  await slots.inspect();
  assert.deepEqual(machine.entries(), ['iotdh-a.conf']);
});

test('a variable is changed only after Linux was told to let it, and never when it says that already', async (t) => {
  const { loader, unprotected } = machineIn(t);
  await loader.startByDefault('a');
  assert.equal(unprotected.length, 0);
  await loader.startByDefault('a');
  assert.equal(unprotected.length, 0);
  await loader.startByDefault('b');
  await loader.startOnce('a');
  await loader.startOnce(null);
  assert.deepEqual(
    unprotected.map((path) => path.replace(/.*\/(\w+)-.*/, '$1')),
    ['LoaderEntryDefault', 'LoaderEntryOneShot'],
  );
});

test('a machine that was not started by a systemd-boot that counts, or whose slot is contradictory, is not touched', async (t) => {
  const { machine, loader } = machineIn(t);
  const rejects = (reason: SlotsError['reason'], message: RegExp) =>
    assert.rejects(
      loader.read(),
      (error) => error instanceof SlotsError && error.reason === reason && message.test(error.message),
    );
  machine.set('LoaderEntrySelected', fromText('iotdh-b.conf'));
  await rejects('running_slot_unknown', /systemd-boot says b, the kernel a/);
  machine.set('LoaderFeatures', Buffer.from([0x0f, 0, 0, 0, 0, 0, 0, 0]));
  await rejects('boot_loader_unfit', /does not know boot counting/);
  machine.set('LoaderInfo', fromText('GRUB 2.06'));
  await rejects('boot_loader_unfit', /started by GRUB 2.06/);
});

test('names of entries carry the counter of the Boot Loader Specification', () => {
  assert.deepEqual(parseEntryName('iotdh-b+3.conf'), { id: 'iotdh-b', triesLeft: 3, triesDone: 0 });
  assert.deepEqual(parseEntryName('IOTDH-B+0-1.CONF'), { id: 'iotdh-b', triesLeft: 0, triesDone: 1 });
  assert.deepEqual(parseEntryName('iotdh-b.conf'), { id: 'iotdh-b', triesLeft: null, triesDone: 0 });
  assert.equal(parseEntryName('iotdh-b.conf.making'), null);
  assert.equal(entryFile('iotdh-b', 1), 'iotdh-b+1.conf');
});

test('an entry tells the kernel which slot it is, and the last word on the command line counts', (t) => {
  const text = entryText('b', entry('b'));
  assert.match(text, /^options root=PARTUUID=b panic=30 iotdh\.slot=b$/m);
  assert.equal(slotOnCommandLine('ro iotdh.slot=a quiet iotdh.slot=b\n'), 'b');
  assert.equal(slotOnCommandLine('ro quiet'), null);
  assert.equal(slotOnCommandLine('iotdh.slot=c'), null);
  const { folder } = machineIn(t);
  assert.match(readFileSync(join(folder, 'cmdline'), 'utf8'), /iotdh\.slot=a/);
});
