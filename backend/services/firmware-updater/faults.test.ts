/** What goes wrong in the field: everything that was asked for arrives in the end, byte for byte. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { framesIn } from './testing/device.ts';
import { pullAll } from './testing/pull.ts';
import { createRig, type Rig } from './testing/rig.ts';

/** The updater as a process of its own; resolves once it is ready. */
async function startProcess(t: TestContext, rig: Rig): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { ...process.env, ...rig.environment, IOTHUB_SKU: 'off', TAKEOVER_MS: '1500' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    if ((JSON.parse(line) as { message: string }).message === 'started') return child;
  }
  throw new Error('the updater ended before it was ready');
}

test('an updater that is killed in the middle loses nothing: the next one goes on', {
  timeout: 180_000,
}, async (t) => {
  const rig = await createRig(t);
  const pack = await rig.addPack(600_000);
  await rig.addDevice('d1');
  const device = await rig.connect('d1');
  const first = await startProcess(t, rig);
  const assignment = await rig.assign('d1', pack);
  const pulled = pullAll(device, assignment, pack, 1_500);
  await device.until((all) => framesIn(all, pack.object).size > 60);
  first.kill('SIGKILL');
  await once(first, 'exit');
  const second = await startProcess(t, rig);
  await pulled;
  second.kill('SIGTERM');
  assert.deepEqual(await once(second, 'exit'), [0, null]);
});

test('a hub that restarts and breaks its links, and a storage that is away, delay a transfer and no more', {
  timeout: 180_000,
}, async (t) => {
  const rig = await createRig(t);
  const pack = await rig.addPack(500_000);
  await rig.addDevice('d1');
  const device = await rig.connect('d1');
  const storage: { state: 'here' | 'away' } = { state: 'here' };
  let refusals = 0;
  const { metrics } = await rig.start({
    objects: {
      read(...range) {
        if (storage.state === 'here') return rig.objects.read(...range);
        refusals += 1;
        return Promise.reject(new Error('the storage is away'));
      },
    },
    cacheBytes: 1,
  });
  const assignment = await rig.assign('d1', pack);
  const pulled = pullAll(device, assignment, pack, 1_500);
  await device.until((all) => framesIn(all, pack.object).size > 40);
  storage.state = 'away';
  while (refusals < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  storage.state = 'here';
  await device.until((all) => framesIn(all, pack.object).size > 80);
  await rig.hub.restart();
  await pulled;
  assert.ok(Number(await metrics.valueOf('hub_connections_total')) > 1);
  assert.equal(device.received.filter(({ payload }) => payload.case === 'transferRefused').length, 0);
});
