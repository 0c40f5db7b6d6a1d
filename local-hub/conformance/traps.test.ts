/** Behaviour of the SDKs that bites whoever builds on them, each trap by its name: what the hub does so that nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { layCable } from './cable.ts';
import { tapEvents } from './events.ts';
import { arrivalsOf, createArrivals, eventually, within } from './expect.ts';
import { feedbackOf } from './feedback.ts';
import { startHub } from './hub.ts';
import { createRegistry, createService, openDevice } from './sdk.ts';

const hub = await startHub();
const service = createService(hub);
const registry = createRegistry(hub);
const events = tapEvents(hub);

test('trap: two clients with one id do not storm the hub, and whoever remains is left alone', async () => {
  await hub.addDevice('twins');
  const connects = createArrivals<string>('connect');
  const lines = hub.watchLines();
  const clients = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const client = await openDevice(hub, 'twins', { retry: true });
      client.on('connect', () => connects.add(name));
      client.on('message', () => {});
      return client;
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const [first, second] = clients;
  assert.ok(first && second);
  // Undamped, two SDK clients reconnect about two hundred times a second.
  assert.ok(connects.all.length < 30, `${connects.all.length} reconnects in 3 s`);
  assert.ok(new Set(lines.all()).size < 5, lines.all().join('\n'));
  assert.ok(lines.all().some((line: string) => /twins/.test(line)));
  first.removeAllListeners('message');
  await first.close();
  const message = new iot.Message('alone');
  message.messageId = 'alone';
  await within('telemetry of the remaining client', second.sendEvent(message), 15_000);
  await events.byId('alone');
});

test('trap: a missing PUBACK makes the SDK send again, and both copies have the same message id', async () => {
  await hub.addDevice('puback');
  const client = await openDevice(hub, 'puback', { retry: true });
  // The SDK looks every 10 s for publishes older than 30 s; the same code with shorter times.
  const { _transport: transport } = client as unknown as {
    _transport: {
      _mqtt: { setTimeout(seconds: number): void; _onTheWirePublishes: { timerCheckInMilliseconds: number } };
    };
  };
  transport._mqtt.setTimeout(1);
  transport._mqtt._onTheWirePublishes.timerCheckInMilliseconds = 200;
  hub.engine.faults.inject({ kind: 'drop-acknowledgement', deviceId: 'puback' });
  const message = new iot.Message('once');
  message.messageId = 'sent-twice';
  await within('the second attempt', client.sendEvent(message));
  const copies = () => events.all.filter(({ messageId }) => messageId === 'sent-twice');
  await events.until(() => copies().length === 2);
  assert.deepEqual(hub.engine.faults.list(), []);
});

const renewsEverySecond = { tokenRenewal: { tokenValidTimeInSeconds: 3, tokenRenewalMarginInSeconds: 2 } };

/** Repeats `step` until the device has renewed its token three times. Resolves to the numbers whose step was done. */
async function throughRenewals(deviceId: string, step: (n: number) => Promise<unknown>): Promise<number[]> {
  let renewals = 0;
  // The SDK emits nothing when it renews; the hub sees the device come back.
  const stop = hub.engine.presence.onChange((id, event) => {
    if (id === deviceId && event === 'connected') renewals += 1;
  });
  const done: number[] = [];
  for (let n = 0; renewals < 3; n += 1) {
    await within('a step', step(n));
    done.push(n);
  }
  stop();
  return done;
}

async function telemetryThroughRenewals(client: iot.Client, deviceId: string): Promise<void> {
  const sent = await throughRenewals(deviceId, (n) => {
    const message = new iot.Message('x');
    message.messageId = `${deviceId}-${n}`;
    return client.sendEvent(message);
  });
  const last = `${deviceId}-${sent.at(-1)}`;
  await events.byId(last);
  const arrived = new Set(events.of(deviceId).map(({ messageId }) => messageId));
  assert.deepEqual(
    sent.filter((n) => !arrived.has(`${deviceId}-${n}`)),
    [],
  );
}

test('trap: SAS renewal is a reconnect on MQTT, and under load no telemetry is lost', async () => {
  await hub.addDevice('renewal-up');
  await telemetryThroughRenewals(
    await openDevice(hub, 'renewal-up', { retry: true, sdk: renewsEverySecond }),
    'renewal-up',
  );
});

test('trap: SAS renewal is a reconnect on MQTT, and under load no command is lost or out of order', async () => {
  await hub.addDevice('renewal-down');
  const client = await openDevice(hub, 'renewal-down', { retry: true, sdk: renewsEverySecond });
  const commands = createArrivals<number>('command');
  client.on('message', (message: iot.Message) => commands.add(Number(message.getData().toString())));
  const sent = await throughRenewals('renewal-down', async (n) => {
    await service.send('renewal-down', new common.Message(String(n)));
    if (n % 20 === 19) await commands.find((each) => each === n);
  });
  await commands.find((each) => each === sent.at(-1));
  assert.deepEqual([...new Set(commands.all)], sent);
});

test('trap: with telemetry in flight the SDK drops what arrives while it renews, after acknowledging it: feedback says Success', async () => {
  await hub.addDevice('renewal-both');
  const client = await openDevice(hub, 'renewal-both', { retry: true, sdk: renewsEverySecond });
  const commands = createArrivals<number>('command');
  client.on('message', (message: iot.Message) => commands.add(Number(message.getData().toString())));
  const feedback = await feedbackOf(service);
  const upwards = telemetryThroughRenewals(client, 'renewal-both');
  const sent = await throughRenewals('renewal-both', async (n) => {
    const message = new common.Message(String(n));
    message.ack = 'full';
    message.messageId = String(n);
    await service.send('renewal-both', message);
    // The SDK waits for its PUBACKs with its listeners already removed, so that not every command reaches the application.
    if (n % 20 === 19) await emptied('renewal-both');
  });
  await upwards;
  const mine = () => feedback.all.filter(({ deviceId }) => deviceId === 'renewal-both');
  await feedback.until(() => mine().length >= sent.length);
  assert.deepEqual(
    mine().map(({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`),
    sent.map((n) => `${n} Success`),
  );
  const first = [...new Set(commands.all)];
  assert.deepEqual(
    first,
    first.toSorted((a, b) => a - b),
  );
});

test('trap: twin topics are not subscribed again after a reconnect, and desired properties arrive all the same', async () => {
  await hub.addDevice('twin-reconnect');
  const client = await openDevice(hub, 'twin-reconnect', { retry: true });
  // Only a client with a message or method listener reconnects by itself.
  client.on('message', () => {});
  const twin = await within('the twin', client.getTwin());
  const patches = arrivalsOf<Record<string, unknown>>(twin, 'properties.desired');
  await eventually('the subscription', async () => {
    await registry.updateTwin(
      'twin-reconnect',
      { properties: { desired: { before: patches.all.length } } },
      '*',
    );
    return patches.all.some((patch) => 'before' in patch) ? true : undefined;
  });
  const reconnected = within('the reconnect', new Promise((resolve) => client.once('connect', resolve)));
  hub.engine.presence.close('twin-reconnect', 'fault');
  await reconnected;
  await registry.updateTwin('twin-reconnect', { properties: { desired: { after: 1 } } }, '*');
  await patches.find((patch) => 'after' in patch);
  // The answers' topic is not subscribed again either.
  await within('the twin', client.getTwin());
});

test('trap: a reconnect emits "connect" and no "disconnect"', async () => {
  await hub.addDevice('quiet');
  const client = await openDevice(hub, 'quiet', { retry: true });
  const disconnects = arrivalsOf(client, 'disconnect');
  const messages = arrivalsOf(client, 'message');
  for (let round = 1; round <= 3; round += 1) {
    await service.send('quiet', new common.Message('x'));
    await messages.count(round);
    await emptied('quiet');
    const connected = within('the reconnect', new Promise((resolve) => client.once('connect', resolve)));
    hub.engine.presence.close('quiet', 'fault');
    await connected;
  }
  assert.equal(disconnects.all.length, 0);
});

test('trap: a link that is reset instead of closed is not retried by the SDK; open() brings back every command', async () => {
  await hub.addDevice('reset');
  const cable = await layCable(hub);
  const connectionString = hub.deviceConnectionString('reset').replace(hub.hostName, cable.hostName);
  const client = await openDevice(hub, 'reset', { retry: true, connectionString });
  const messages = arrivalsOf<iot.Message>(client, 'message');
  await service.send('reset', new common.Message('before'));
  await messages.count(1);
  await emptied('reset');
  const disconnected = within('the disconnect', new Promise((resolve) => client.once('disconnect', resolve)));
  // The SDK's retry policy does not know the name of ECONNRESET.
  cable.pull();
  await disconnected;
  await service.send('reset', new common.Message('after'));
  await client.open();
  const [, after] = await messages.count(2);
  assert.equal(after?.getData().toString(), 'after');
});

test('trap: close() with an unacknowledged publish hangs in the SDK; the hub lets the device in again at once', async () => {
  await hub.addDevice('hanging');
  const client = await openDevice(hub, 'hanging');
  hub.engine.faults.inject({ kind: 'drop-acknowledgement', deviceId: 'hanging' });
  const unacknowledged = client.sendEvent(new iot.Message('x')).catch((error: Error) => error.name);
  await events.until(() => events.of('hanging').length === 1);
  const closing = client.close();
  const other = await openDevice(hub, 'hanging');
  await other.sendEvent(new iot.Message('y'));
  await assert.rejects(within('close', closing, 100), /close: nothing/);
  // What the SDK waits for, so that it does not keep this process for minutes.
  const { _transport: transport } = client as unknown as {
    _transport: { _mqtt: { _mqttClient: NodeJS.EventEmitter } };
  };
  transport._mqtt._mqttClient.emit('outgoingEmpty');
  await Promise.all([closing, unacknowledged]);
});

test('trap: device AMQP settles abandon and reject of one turn alike, because rhea merges them; both come back or none', async () => {
  await hub.addDevice('merge');
  const client = await openDevice(hub, 'merge', { transport: Amqp });
  const messages = arrivalsOf<iot.Message>(client, 'message');
  await service.send('merge', new common.Message('1'));
  await service.send('merge', new common.Message('2'));
  const [first, second] = await messages.count(2);
  assert.ok(first && second);
  void client.abandon(first);
  void client.reject(second);
  // What the client's rhea put on the wire is what counts: the hub must not lose the one that came back.
  await messages.find((message) => messages.all.indexOf(message) >= 2);
  assert.ok(hub.engine.cloudToDevice.pending('merge') >= 1);
});

test('trap: put-token is settled every time: 2,200 renewals on one connection, and it still sends', async () => {
  await hub.addDevice('tokens');
  const client = createService(hub);
  await client.open();
  const { name, key } = hub.policy('iothubowner');
  const { _transport: transport } = client as unknown as {
    _transport: { updateSharedAccessSignature(token: string, done: (error?: Error) => void): void };
  };
  for (let round = 0; round < 44; round += 1) {
    const renewals = Array.from(
      { length: 50 },
      () =>
        new Promise<void>((resolve, reject) => {
          transport.updateSharedAccessSignature(hub.sign(name, key), (error) =>
            error ? reject(error) : resolve(),
          );
        }),
    );
    await within('a round of renewals', Promise.all(renewals));
  }
  await client.send('tokens', new common.Message('x'));
});

/** Until the device has acknowledged everything: then nothing is on its way that a closing socket would answer with a reset. */
async function emptied(deviceId: string): Promise<void> {
  await eventually('an empty queue', () =>
    hub.engine.cloudToDevice.pending(deviceId) === 0 ? true : undefined,
  );
}
