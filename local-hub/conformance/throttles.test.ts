/** Limits per SKU as the SDKs feel them: excess waits first, then is refused with the SDK's own error; the day's quota is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { failsWith } from './expect.ts';
import { startHub } from './hub.ts';
import { createRegistry, createService, openDevice } from './sdk.ts';

const { Message } = common;

test('S1: a hundred commands a minute pass, the next ones wait, and what would wait too long is ThrottlingError with one line', async () => {
  const hub = await startHub({ sku: 'S1', engine: { maxShapeMs: 2_000 } });
  const ids = ['a', 'b', 'c'];
  await Promise.all(ids.map((deviceId) => hub.addDevice(deviceId)));
  const service = createService(hub);
  await service.send('a', new Message('first'));
  const lines = hub.watchLines();
  const started = performance.now();
  const outcomes = await Promise.all(
    Array.from({ length: 120 }, async (_, n) => {
      const outcome = await service.send(ids[n % 3] ?? '', new Message('x')).then(
        () => 'sent',
        (error: Error) => error.name,
      );
      return { outcome, afterMs: performance.now() - started };
    }),
  );
  const sent = outcomes.filter(({ outcome }) => outcome === 'sent');
  const refused = outcomes.filter(({ outcome }) => outcome === 'ThrottlingError');
  assert.equal(sent.length + refused.length, 120);
  // 99 of the minute's hundred were left; at 100 a minute a wait of 2 s lets three more through.
  assert.ok(sent.length >= 100 && sent.length <= 106, `${sent.length} were sent`);
  assert.ok(
    sent.some(({ afterMs }) => afterMs > 500),
    'nothing was delayed',
  );
  assert.match(await lines.only(), /c2dSend.*S1/);
});

test('S1: a hundred registry calls a minute pass, then REST answers 429, which is ThrottlingError', async () => {
  const hub = await startHub({ sku: 'S1', engine: { maxShapeMs: 0 } });
  const registry = createRegistry(hub);
  await hub.addDevice('d');
  let passed = 0;
  const error = await failsWith(
    'ThrottlingError',
    (async () => {
      for (; passed < 200; passed += 1) await registry.get('d');
    })(),
  );
  assert.ok(passed >= 99 && passed <= 105, `${passed} passed`);
  assert.equal(error.response?.statusCode, 429);
  assert.match(error.responseBody ?? '', /ThrottlingException|429/);
});

test("F1: the day's quota is counted in chunks, and when it is spent telemetry and commands are IotHubQuotaExceededError", async () => {
  const hub = await startHub({ sku: 'F1' });
  await hub.addDevice('chatty');
  const device = await openDevice(hub, 'chatty', { transport: Amqp });
  const { limit, chunkBytes } = hub.engine.throttles.ledger();
  assert.deepEqual([limit, chunkBytes], [8_000, 512]);
  const large = () => new iot.Message(Buffer.alloc(250 * 1024 - 100));
  await device.sendEvent(large());
  assert.equal(hub.engine.throttles.ledger().messages, 500);
  for (let n = 1; n < 16; n += 1) await device.sendEvent(large());
  const lines = hub.watchLines();
  await failsWith('IotHubQuotaExceededError', device.sendEvent(large()));
  assert.match(await lines.only(), /quota of 8000/);
  await failsWith('IotHubQuotaExceededError', createService(hub).send('chatty', new Message('x')));
});

test('off: nothing is limited, and the quota is counted all the same', async () => {
  const hub = await startHub({ sku: 'off' });
  await hub.addDevice('free');
  const registry = createRegistry(hub);
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(Array.from({ length: 50 }, () => registry.get('free')));
  }
  const device = await openDevice(hub, 'free');
  await device.sendEvent(new iot.Message(Buffer.alloc(10_000)));
  assert.equal(hub.engine.throttles.ledger().byKind.d2c, 3);
  assert.equal(hub.engine.throttles.ledger().limit, undefined);
});
