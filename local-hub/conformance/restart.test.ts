/**
 * The hub as a process of its own, killed with SIGKILL in mid-flight, several times at seeded moments, and started again on the
 * same data: nothing that was acknowledged is lost, and nothing arrives out of order.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import type iothub from 'azure-iothub';
import { createRandom } from '../fuzz/random.ts';
import { tapEvents } from './events.ts';
import { arrivalsOf, createArrivals, eventually, within } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { startHubProcess } from './hub-process.ts';
import { connectRaw } from './raw-mqtt.ts';
import { createRegistry, createService, openDevice } from './sdk.ts';

const seed = 20_260_101;
const kills = 3;
const hub = await startHubProcess();

/** Kills the hub each time `progress` has advanced by a seeded number, until it has died `kills` times. */
async function killAlong(
  random: ReturnType<typeof createRandom>,
  advance: (by: number) => Promise<void>,
): Promise<void> {
  for (let killed = 0; killed < kills; killed += 1) {
    await advance(5 + random.below(40));
    await hub.kill();
    await hub.restart();
  }
}

/** Tries until it is done, as a service does that must not lose a command; an attempt that failed may have arrived. */
async function persist(action: () => Promise<unknown>): Promise<void> {
  await eventually(
    'the hub to answer',
    async () => {
      try {
        await action();
        return true;
      } catch {
        return undefined;
      }
    },
    20_000,
  );
}

/** A client whose connection was reset stays down by itself; whoever builds on the SDK has to open it again. */
function keepOpen(client: iot.Client): void {
  client.on('disconnect', () => void persist(() => client.open()).catch(() => {}));
}

async function sendForFeedback(
  service: iothub.Client,
  name: string,
  count: number,
  deviceId = 'kept',
): Promise<void> {
  for (const n of ascending(count)) {
    const message = new common.Message('x');
    message.ack = 'full';
    message.messageId = `${name}-${n}`;
    await service.send(deviceId, message);
  }
}

const unique = (numbers: readonly number[]): number[] => [...new Set(numbers)];
const ascending = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Runs the commander, again and again from its first unacknowledged number, until it is stopped. */
function startCommander(deviceId: string) {
  const acknowledged = createArrivals<number>('acknowledgement');
  const stopped = new AbortController();
  const done = (async () => {
    while (!stopped.signal.aborted) {
      const first = String(acknowledged.all.length);
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'commander.ts'), hub.connectionString('iothubowner'), deviceId, first],
        { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, NODE_EXTRA_CA_CERTS: hub.caPath } },
      );
      const end = () => child.kill('SIGKILL');
      stopped.signal.addEventListener('abort', end);
      for await (const line of createInterface({ input: child.stdout })) acknowledged.add(Number(line));
      stopped.signal.removeEventListener('abort', end);
    }
  })();
  return {
    acknowledged,
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

test('commands: every acknowledged one arrives, first arrivals in the order of sending, across kills', async () => {
  await hub.addDevice('commanded');
  const device = await openDevice(hub, 'commanded', { retry: true });
  const received = createArrivals<number>('command');
  device.on('message', (message: iot.Message) => received.add(Number(message.getData().toString())));
  keepOpen(device);
  const { acknowledged, stop } = startCommander('commanded');
  await killAlong(
    createRandom(seed, 1),
    async (by) => void (await acknowledged.count(acknowledged.all.length + by, 30_000)),
  );
  await acknowledged.count(acknowledged.all.length + 10, 30_000);
  await stop();
  const last = acknowledged.all.at(-1);
  await received.find((each) => each === last, 30_000);
  // The commander may have died between sending a number and printing it.
  const first = unique(received.all).slice(0, acknowledged.all.length);
  assert.deepEqual(first, ascending(acknowledged.all.length));
});

test('telemetry: every acknowledged event is in the log, first arrivals in the order of sending, across kills', async () => {
  await hub.addDevice('telling');
  await hub.addDevice('crowd');
  const [device, crowd] = [
    await openDevice(hub, 'telling', { retry: true }),
    await openDevice(hub, 'crowd', { retry: true }),
  ];
  // Only a client that listens for commands reconnects by itself.
  device.on('message', () => {});
  crowd.on('message', () => {});
  keepOpen(device);
  keepOpen(crowd);
  const acknowledged = createArrivals<number>('acknowledgement');
  const crowded: string[] = [];
  const stop = new AbortController();
  const telling = (async () => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      const message = new iot.Message(String(n));
      message.messageId = `t-${n}`;
      await persist(() => device.sendEvent(message));
      acknowledged.add(n);
    }
  })();
  const crowding = Promise.all(
    ascending(10).map(async (lane) => {
      for (let n = 0; !stop.signal.aborted; n += 1) {
        const message = new iot.Message('x');
        message.messageId = `c-${lane}-${n}`;
        await persist(() => crowd.sendEvent(message));
        crowded.push(message.messageId);
      }
    }),
  );
  await killAlong(
    createRandom(seed, 2),
    async (by) => void (await acknowledged.count(acknowledged.all.length + by, 30_000)),
  );
  stop.abort();
  await within('the last events', Promise.all([telling, crowding]), 30_000);
  const events = tapEvents(hub);
  await events.byId(`t-${acknowledged.all.length - 1}`);
  await Promise.all(crowded.map((messageId) => events.byId(messageId)));
  const numbers = events
    .of('telling')
    .map((event) => Number(Buffer.from(event.body as Uint8Array).toString()));
  assert.deepEqual(unique(numbers), ascending(acknowledged.all.length));
});

test('a killed hub comes back with its devices, twins, tags, queues, sessions and feedback', async () => {
  const registry = createRegistry(hub);
  const service = createService(hub);
  const { responseBody: created } = await registry.create({ deviceId: 'kept' });
  hub.know('kept', created.authentication?.symmetricKey?.primaryKey ?? '');
  await registry.updateTwin('kept', { tags: { site: 'A' }, properties: { desired: { x: 1 } } }, '*');
  const device = await openDevice(hub, 'kept');
  const twin = await within('the twin', device.getTwin());
  await new Promise<void>((resolve, reject) =>
    twin.properties.reported.update({ y: 2 }, (error: Error | undefined) =>
      error ? reject(error) : resolve(),
    ),
  );
  const commands = arrivalsOf<iot.Message>(device, 'message');
  await sendForFeedback(service, 'before', 40);
  await commands.count(40);
  // The PUBACK is on its way; its feedback is owed from the moment that the hub has it.
  await eventually('the completion', async () => {
    const { responseBody } = await registry.get('kept');
    return Number(responseBody.cloudToDeviceMessageCount) === 0 ? true : undefined;
  });
  await device.close();
  for (const text of ['first', 'second']) await service.send('kept', new common.Message(text));
  await hub.kill();
  await hub.restart();
  const { responseBody: found } = await registry.get('kept');
  assert.equal(found.etag, created.etag);
  assert.equal(found.generationId, created.generationId);
  assert.equal(Number(found.cloudToDeviceMessageCount), 2);
  const { responseBody: keptTwin } = await registry.getTwin('kept');
  assert.deepEqual(keptTwin.tags, { site: 'A' });
  assert.equal((keptTwin.properties.desired as { x?: number }).x, 1);
  assert.equal((keptTwin.properties.reported as { y?: number }).y, 2);
  // Records are told at 64 of them, or after 15 s: these 24 make the 40 that were owed before the kill complete.
  const feedback = await feedbackOf(createService(hub));
  await hub.addDevice('witness');
  const other = await openDevice(hub, 'witness');
  arrivalsOf(other, 'message');
  await sendForFeedback(createService(hub), 'after', 24, 'witness');
  const records = await feedback.count(64);
  assert.deepEqual(
    records.map(({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`),
    [...ascending(40).map((n) => `before-${n} Success`), ...ascending(24).map((n) => `after-${n} Success`)],
  );
  // The SDK subscribed before the kill, with clean=0: whoever comes back need not subscribe again.
  const raw = await connectRaw(hub, 'kept');
  assert.equal((await raw.packet('connack')).sessionPresent, true);
  await raw.packets.find((packet) => packet.cmd === 'publish' && packet.payload.toString() === 'second');
  const texts = raw.packets.all.flatMap((packet) =>
    packet.cmd === 'publish' ? [packet.payload.toString()] : [],
  );
  assert.deepEqual(texts, ['first', 'second']);
});

test('trap: twin topics are never subscribed again, also when the hub itself was killed in between', async () => {
  await hub.addDevice('twinned');
  const registry = createRegistry(hub);
  const client = await openDevice(hub, 'twinned', { retry: true });
  client.on('message', () => {});
  keepOpen(client);
  const twin = await within('the twin', client.getTwin());
  const patches = arrivalsOf<Record<string, unknown>>(twin, 'properties.desired');
  await eventually('the subscription', async () => {
    await registry.updateTwin('twinned', { properties: { desired: { before: patches.all.length } } }, '*');
    return patches.all.some((patch) => 'before' in patch) ? true : undefined;
  });
  const reconnected = new Promise((resolve) => client.once('connect', resolve));
  await hub.kill();
  await hub.restart();
  await within('the reconnect', reconnected, 20_000);
  await registry.updateTwin('twinned', { properties: { desired: { after: 1 } } }, '*');
  await patches.find((patch) => 'after' in patch);
  await within('the twin', client.getTwin());
});

test('a hub that is told to stop says goodbye and loses nothing either', async () => {
  await hub.addDevice('goodbye');
  const service = createService(hub);
  for (const n of ascending(10)) await service.send('goodbye', new common.Message(String(n)));
  assert.equal(await hub.terminate(), 0);
  await hub.restart();
  const device = await openDevice(hub, 'goodbye');
  const messages = await arrivalsOf<iot.Message>(device, 'message').count(10);
  assert.deepEqual(
    messages.map((message) => Number(message.getData().toString())),
    ascending(10),
  );
});
