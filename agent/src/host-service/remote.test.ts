import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ActionEnd, WindowsUpdate } from '../install/ports.ts';
import { bootFileImageSlots, createFileImageSlots } from '../slots/file-image-slots.ts';
import { SlotsError } from '../slots/slots-error.ts';
import { openCallJournal } from './call-journal.ts';
import { makeKeyFiles } from './key-files.ts';
import type { HostOperations } from './operations.ts';
import { createRemoteOperations } from './remote.ts';
import { createHostServer } from './server.ts';

const content = 'c0'.repeat(32);
const updateId = '6e2f3c1a-0b6d-4e8b-9a55-2d5a6f1c7e01';
const { signal } = new AbortController();

/** A host with these operations besides, and what an agent in a container sees of it. */
async function rigFor(t: TestContext, offered: Partial<HostOperations>) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-remote-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string) => join(folder, name);
  await makeKeyFiles(at('keys'), Date.now());
  mkdirSync(at('data/contents'), { recursive: true });
  const read = (name: string) => readFileSync(at(`keys/${name}`), 'utf8');
  const unused = () => assert.fail('nobody asks for it');
  const journal = openCallJournal(at('calls.db'));
  const server = createHostServer({
    operations: {
      ...{ restartService: unused, restartMachine: unused, bootId: async () => 'boot-1' },
      ...{ uptimeMs: async () => 61_000, onMainsPower: async () => false, ...offered },
    },
    ...{ services: [], imageFolder: at('data'), journal, now: Date.now },
    socket: { path: at('host.sock'), mode: 0o600 },
    tls: { cert: read('host.crt'), key: read('host.key'), agentCert: read('agent.crt') },
  });
  await server.start();
  t.after(async () => {
    await server.stop();
    journal.close();
  });
  const agent = () =>
    createRemoteOperations({
      ...{ socket: at('host.sock'), dataDir: at('data') },
      ...{ ca: read('host.crt'), cert: read('agent.crt'), key: read('agent.key') },
      sleep: () => Promise.reject(new Error('the service is away')),
    });
  return { at, agent, remote: agent() };
}

function imageIn(path: string, text: string) {
  writeFileSync(path, text);
  return { path, digest: createHash('sha256').update(text).digest('hex'), minPartitionBytes: 16 };
}

test('a base is written, armed, tried and kept by the host, as an agent that has the slots itself would', async (t) => {
  const own = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(own, { recursive: true }));
  const native = createFileImageSlots({ folder: own, partitions: { system: 4096 } });
  const { at, remote } = await rigFor(t, { slots: native });
  const { slots } = remote;
  const same = async () => assert.deepEqual(await slots.inspect(), await native.inspect());
  const image = imageIn(at('data/contents/one'), 'a whole new system');

  await same();
  assert.deepEqual([await slots.partitionBytes('system'), await slots.partitionBytes('none')], [4096, null]);
  assert.equal((await slots.write(content, 'system', image, signal)).kind, 'unfit', 'the slot is not ready');
  assert.equal(await slots.begin(content), null);
  const both = [1, 2].map(() => slots.write(content, 'system', image, signal));
  const bytes = Buffer.byteLength('a whole new system');
  assert.deepEqual(await Promise.all(both), [
    { kind: 'written', bytes },
    { kind: 'written', bytes: 0 },
  ]);
  await same();
  assert.deepEqual(await slots.finish(content, ['system', 'other']), {
    kind: 'refused',
    reason: 'not written: other',
  });
  assert.equal(await slots.finish(content, ['system']), null);
  await same();
  assert.equal(await slots.arm({ job: 'arm-1', content, armedIn: await remote.bootId() }), null);
  await same();
  assert.equal(bootFileImageSlots(own), 'b');
  await same();
  assert.equal(await slots.markGood(), null);
  await same();
  assert.equal((await slots.condemn())?.kind, 'refused');
  assert.equal(readFileSync(join(own, 'b/system.img')).toString('utf8', 0, bytes), 'a whole new system');
});

test('images come from the one folder, are files, and what they hold is what was said', async (t) => {
  const own = mkdtempSync(join(tmpdir(), 'iotdh-slots-'));
  t.after(() => rmSync(own, { recursive: true }));
  const { at, remote } = await rigFor(t, {
    slots: createFileImageSlots({ folder: own, partitions: { system: 4096 } }),
  });
  const { slots } = remote;
  assert.equal(await slots.begin(content), null);
  const outside = imageIn(at('secret'), 'not for the agent');
  symlinkSync(at('secret'), at('data/contents/link'));
  const image = imageIn(at('data/contents/one'), 'a system');
  for (const [what, path] of [
    ['a link out of the folder', at('data/contents/link')],
    ['a folder', at('data/contents')],
    ['absent', at('data/contents/absent')],
  ] as const) {
    const end = await slots.write(content, 'system', { ...outside, path }, signal);
    assert.ok(end.kind === 'unfit' && /is no file in the folder/.test(end.reason), what);
  }
  await assert.rejects(slots.write(content, 'system', outside, signal), SlotsError);
  const changed = await slots.write(content, 'system', { ...image, digest: outside.digest }, signal);
  assert.ok(changed.kind === 'unfit' && /digest/.test(changed.reason));
});

test('Windows Update installs and removes through the host, and tells what was installed although it failed', async (t) => {
  const orders: unknown[] = [];
  const windows: WindowsUpdate = {
    async install(selection) {
      orders.push(selection);
      if (selection.kind === 'build')
        return { kind: 'done', installed: [updateId], restartRequired: true, output: 'well' };
      return { kind: 'failed', reason: 'installing failed', installed: [updateId], output: 'ill' };
    },
    async uninstall(updateIds) {
      orders.push(updateIds);
      return { kind: 'done', installed: [...updateIds], restartRequired: false, output: '' };
    },
  };
  const { remote } = await rigFor(t, { windows });
  const limits = { timeLimitMs: 60_000, signal, operation: 'job/apply' };
  const build = { kind: 'build', buildTag: '10.0.26100.2314', kbArticles: ['KB5046617'] } as const;
  const installed = { kind: 'done', installed: [updateId], restartRequired: true, output: 'well' };
  for (let times = 0; times < 2; times += 1)
    assert.deepEqual(await remote.windows.install(build, limits), installed);
  const updates = { kind: 'updates', updateIds: [updateId] } as const;
  assert.deepEqual(await remote.windows.install(updates, { ...limits, operation: 'job/other' }), {
    ...{ kind: 'failed', reason: 'installing failed', installed: [updateId], output: 'ill' },
  });
  const removal = await remote.windows.uninstall([updateId], { ...limits, operation: 'job/undo' });
  assert.ok(removal.kind === 'done');
  assert.deepEqual(orders, [build, updates, [updateId]]);
});

test('a restart of the machine that failed is tried anew when it is asked for again, as after an agent that was killed', async (t) => {
  let tries = 0;
  const restartMachine = async (): Promise<ActionEnd> => {
    tries += 1;
    if (tries > 2) return { kind: 'done', exitCode: 0, output: '' };
    return { kind: 'failed', reason: 'logind does not answer', exitCode: 1, output: '' };
  };
  const { remote, agent } = await rigFor(t, { restartMachine });
  const ask = (by: typeof remote) => by.restartMachine('job/restart/boot-1');
  assert.equal((await ask(remote)).kind, 'failed');
  assert.equal((await ask(remote)).kind, 'failed');
  const next = agent();
  for (const said of ['failed', 'failed', 'done']) assert.equal((await ask(next)).kind, said);
  assert.equal(tries, 3, 'what a killed agent has heard is told again, and acts no second time');
});

test('what a host does not have is said before anything is done', async (t) => {
  const { remote } = await rigFor(t, {});
  assert.match((await remote.apt.refusal?.()) ?? '', /installs no packages/);
  assert.match((await remote.windows.refusal?.()) ?? '', /Windows Update/);
  assert.equal(await remote.slots.partitionBytes('system'), null);
  await assert.rejects(remote.slots.inspect(), /has no slots/);
  assert.equal(await remote.onMainsPower(), false);
  assert.equal(await remote.uptimeMs(), 61_000);
});
