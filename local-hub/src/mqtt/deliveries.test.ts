import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IPublishPacket } from 'mqtt-packet';
import type { Finding } from '../diagnostics.ts';
import { createManualClock } from '../engine/clock.ts';
import { createCloudToDevice } from '../engine/cloud-to-device.ts';
import type { HubMessage } from '../engine/message.ts';
import { openRegistry } from '../engine/registry.ts';
import { openStore } from '../store/open-store.ts';
import { createDeliveries, type DeliveriesOptions } from './deliveries.ts';

async function open(t: TestContext) {
  const clock = createManualClock();
  const store = openStore({ dataDir: undefined });
  const registry = openRegistry({ store, clock });
  await registry.create({ deviceId: 'd1' });
  const outcomes: string[] = [];
  const cloudToDevice = createCloudToDevice({
    store,
    clock,
    registry,
    throttles: { take: async () => {}, meter() {} },
    feedback: {
      record: async ({ statusCode, originalMessageId }) =>
        void outcomes.push(`${originalMessageId} ${statusCode}`),
    },
    settings: { maxPendingPerDevice: 200 },
  });
  t.after(async () => {
    cloudToDevice.stop();
    await store.close();
  });
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const settled = async () => {
    await store.flushed();
    await nextTurn();
  };
  function start(change: Partial<DeliveriesOptions> = {}) {
    const sent: IPublishPacket[] = [];
    const deliveries = createDeliveries({
      cloudToDevice,
      deviceId: 'd1',
      window: 3,
      qos: 1,
      log,
      send: (packet) => void sent.push(packet),
      isCongested: () => false,
      ...change,
    });
    const texts = () => sent.map(({ payload }) => payload.toString());
    return { deliveries, sent, texts };
  }
  async function send(...messages: (string | HubMessage)[]): Promise<void> {
    for (const message of messages) {
      const text = { body: Buffer.from(String(message)), properties: {} };
      await cloudToDevice.send(
        'd1',
        typeof message === 'string' ? { ...text, system: { messageId: message, ack: 'full' } } : message,
      );
    }
    await settled();
  }
  return { cloudToDevice, clock, findings, outcomes, send, settled, start };
}

test('no more than the window is sent before it is acknowledged, in order', async (t) => {
  const { send, settled, start, cloudToDevice } = await open(t);
  await send('a', 'b', 'c', 'd', 'e');
  const { deliveries, sent, texts } = start();
  await settled();
  assert.deepEqual(texts(), ['a', 'b', 'c']);
  assert.deepEqual(
    sent.map(({ dup, qos }) => [dup, qos]),
    [
      [false, 1],
      [false, 1],
      [false, 1],
    ],
  );
  deliveries.acknowledge(sent[0]?.messageId ?? 0);
  deliveries.acknowledge(sent[2]?.messageId ?? 0);
  await settled();
  assert.deepEqual(texts(), ['a', 'b', 'c', 'd', 'e']);
  assert.equal(cloudToDevice.pending('d1'), 3);
});

test('after a reconnection a message comes again under the same packet identifier, marked as a duplicate', async (t) => {
  const { send, settled, start } = await open(t);
  await send('a', 'b');
  const first = start();
  await settled();
  first.deliveries.acknowledge(first.sent[0]?.messageId ?? 0);
  first.deliveries.close();
  await send('c');
  const second = start();
  await settled();
  assert.deepEqual(second.texts(), ['b', 'c']);
  assert.deepEqual(
    second.sent.map(({ dup }) => dup),
    [true, false],
  );
  assert.equal(second.sent[0]?.messageId, first.sent[1]?.messageId);
  assert.notEqual(second.sent[1]?.messageId, second.sent[0]?.messageId);
});

test('at QoS 0 a message is complete once it is sent', async (t) => {
  const { send, settled, start, cloudToDevice, outcomes } = await open(t);
  const { sent } = start({ qos: 0 });
  await send('a', 'b', 'c', 'd');
  await settled();
  assert.equal(sent.length, 4);
  assert.deepEqual([sent[0]?.qos, sent[0]?.messageId, sent[0]?.dup], [0, undefined, false]);
  assert.equal(cloudToDevice.pending('d1'), 0);
  assert.deepEqual(outcomes, ['a Success', 'b Success', 'c Success', 'd Success']);
});

test('nothing more is sent while the client does not read', async (t) => {
  const { send, settled, start } = await open(t);
  let unread = 0;
  const sent: IPublishPacket[] = [];
  const { deliveries } = start({
    window: 50,
    send(packet) {
      sent.push(packet);
      unread += 1;
    },
    isCongested: () => unread >= 2,
  });
  await send('a', 'b', 'c', 'd', 'e');
  assert.equal(sent.length, 2);
  unread = 0;
  deliveries.resume();
  await settled();
  assert.equal(sent.length, 4);
  unread = 0;
  deliveries.resume();
  await settled();
  assert.equal(sent.length, 5);
});

test('a message whose properties fit into no topic is rejected, and the next one is delivered', async (t) => {
  const { send, settled, start, findings, outcomes } = await open(t);
  const tooLong: HubMessage = {
    body: Buffer.from('x'),
    system: { messageId: 'long', ack: 'full' },
    // Percent-encoding makes three bytes of each.
    properties: { text: '%'.repeat(30_000) },
  };
  const { texts } = start();
  await send(tooLong, 'next');
  await settled();
  assert.deepEqual(texts(), ['next']);
  assert.deepEqual(outcomes, ['long Rejected']);
  assert.match(findings[0]?.reason ?? '', /65,535/);
});

test('after an unsubscription nothing new comes, and what was sent can still be acknowledged', async (t) => {
  const { send, settled, start, cloudToDevice } = await open(t);
  await send('a', 'b');
  const { deliveries, sent, texts } = start();
  await settled();
  deliveries.setQos(undefined);
  await send('c');
  for (const { messageId } of sent) deliveries.acknowledge(messageId ?? 0);
  await settled();
  assert.deepEqual(texts(), ['a', 'b']);
  assert.equal(cloudToDevice.pending('d1'), 1);
  deliveries.setQos(1);
  await settled();
  assert.deepEqual(texts(), ['a', 'b', 'c']);
});

test('acknowledging what was purged, or was never sent, changes nothing', async (t) => {
  const { send, settled, start, cloudToDevice, findings } = await open(t);
  await send('a');
  const { deliveries, sent } = start();
  await settled();
  await cloudToDevice.purge('d1');
  deliveries.acknowledge(sent[0]?.messageId ?? 0);
  deliveries.acknowledge(12_345);
  await settled();
  assert.deepEqual(findings, []);
});
