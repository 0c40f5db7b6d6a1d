import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLog } from '../diagnostics.ts';
import { openStore } from '../store/open-store.ts';
import { createManualClock } from './clock.ts';
import { createEngine, type EngineSettings } from './engine.ts';
import { isHubError } from './error.ts';
import type { FeedDelivery } from './feed.ts';
import type { HubMessage } from './message.ts';

async function createHub(t: TestContext, settings: Partial<EngineSettings> = {}) {
  const store = openStore({ dataDir: undefined });
  const clock = createManualClock();
  const hostName = 'localhost:18443';
  const engine = await createEngine({ store, clock, log: silentLog, settings: { hostName, ...settings } });
  t.after(async () => {
    await engine.stop();
    await store.close();
  });
  async function settled(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      await store.flushed();
      await nextTurn();
    }
  }
  return { engine, clock, store, settled };
}

const message = (text: string): HubMessage => ({
  body: Buffer.from(text),
  system: { messageId: text, ack: 'full' },
  properties: {},
});

test('a message goes from service to device, and its feedback back', async (t) => {
  const { engine, clock, settled } = await createHub(t);
  const { generationId } = await engine.registry.create({ deviceId: 'd1' });
  await engine.cloudToDevice.send('d1', message('m1'));
  assert.equal(engine.registry.get('d1')?.cloudToDeviceMessageCount, 1);
  const delivery = await engine.cloudToDevice.lockNext('d1');
  await engine.cloudToDevice.complete('d1', delivery?.lockToken ?? '');
  assert.equal(engine.registry.get('d1')?.cloudToDeviceMessageCount, 0);

  const items: FeedDelivery[] = [];
  engine.feedback.receive({ window: 1, deliver: (item) => items.push(item) });
  clock.advance(15_000);
  await settled();
  const enqueuedTimeUtc = new Date(clock.now() - 15_000).toISOString();
  assert.deepEqual(JSON.parse(items[0]?.body.toString() ?? ''), [
    {
      originalMessageId: 'm1',
      enqueuedTimeUtc,
      statusCode: 'Success',
      description: 'Success',
      deviceId: 'd1',
      deviceGenerationId: generationId,
    },
  ]);
});

test('an S1 unit takes 100 cloud-to-device messages a minute, then slows down, then refuses', async (t) => {
  const { engine, clock, settled } = await createHub(t, { cloudToDevice: { maxPendingPerDevice: 1_000 } });
  await engine.registry.create({ deviceId: 'd1' });
  const outcomes: string[] = [];
  for (let index = 0; index < 300; index += 1) {
    engine.cloudToDevice.send('d1', message(`${index}`)).then(
      () => outcomes.push('sent'),
      (error) => outcomes.push(isHubError(error) ? error.code : String(error)),
    );
  }
  await settled();
  const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
  assert.equal(count('sent'), 100);
  assert.ok(count('Throttled') > 150, `${count('Throttled')} throttled`);
  const shaped = 300 - outcomes.length;
  assert.ok(shaped > 0, 'some wait');
  clock.advance(60_000);
  await settled();
  assert.equal(count('sent'), 100 + shaped);
  assert.equal(engine.throttles.ledger().byKind.c2d, 100 + shaped);
});

test('deleting a device ends everything about it', async (t) => {
  const { engine, store } = await createHub(t, { throttles: 'off' });
  await engine.registry.create({ deviceId: 'd1' });
  await engine.cloudToDevice.send('d1', message('m1'));
  await engine.twins.patchReported('d1', { a: 1 });
  await engine.registry.remove('d1');
  assert.deepEqual([...store.commands.load()], []);
  assert.deepEqual([...store.documents.load('twin')], []);
  assert.deepEqual([...store.documents.load('identity')], []);
});

test('a hub without storage says that it cannot take files', async (t) => {
  const { engine } = await createHub(t);
  await engine.registry.create({ deviceId: 'd1' });
  await assert.rejects(engine.fileUpload.begin('d1', 'log.txt'), (error) =>
    isHubError(error, 'NotImplemented'),
  );
});
