/** Behaviour of the SDKs that bites whoever builds on them, each trap by its name: what the hub does so that nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { tapEvents } from './events.ts';
import { arrivalsOf, createArrivals, eventually, within } from './expect.ts';
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
  assert.ok(lines.all().length < 10, lines.all().join('\n'));
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
  await events.find(() => copies().length === 2);
  assert.deepEqual(hub.engine.faults.list(), []);
});

test('trap: SAS renewal is a reconnect on MQTT; under load nothing is lost either way', async () => {
  await hub.addDevice('renewal');
  const client = await openDevice(hub, 'renewal', {
    retry: true,
    sdk: { tokenRenewal: { tokenValidTimeInSeconds: 3, tokenRenewalMarginInSeconds: 2 } },
  });
  const commands = createArrivals<number>('command');
  client.on('message', (message: iot.Message) => commands.add(Number(message.getData().toString())));
  const connects = arrivalsOf(client, 'connect');
  const stop = new AbortController();
  const [sent, commanded] = [[] as number[], [] as number[]];
  const telemetry = (async () => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      const message = new iot.Message(String(n));
      message.messageId = `renewal-${n}`;
      await client.sendEvent(message);
      sent.push(n);
    }
  })();
  const downwards = (async () => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      await service.send('renewal', new common.Message(String(n)));
      commanded.push(n);
      if (n % 20 === 19) await commands.find((each) => each === n);
    }
  })();
  await connects.count(3, 20_000);
  stop.abort();
  await within('the last sends', Promise.all([telemetry, downwards]));
  await commands.find((each) => each === commanded.at(-1));
  await events.byId(`renewal-${sent.at(-1)}`);
  const arrived = new Set(events.of('renewal').map(({ messageId }) => messageId));
  assert.deepEqual(
    sent.filter((n) => !arrived.has(`renewal-${n}`)),
    [],
  );
  assert.deepEqual(firstArrivals(commands.all), commanded);
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
  client.on('message', () => {});
  const disconnects = arrivalsOf(client, 'disconnect');
  for (let round = 0; round < 3; round += 1) {
    const connected = within('the reconnect', new Promise((resolve) => client.once('connect', resolve)));
    hub.engine.presence.close('quiet', 'fault');
    await connected;
  }
  assert.equal(disconnects.all.length, 0);
});

test('trap: close() with an unacknowledged publish hangs in the SDK; the hub lets the device in again at once', async () => {
  await hub.addDevice('hanging');
  const client = await openDevice(hub, 'hanging');
  hub.engine.faults.inject({ kind: 'drop-acknowledgement', deviceId: 'hanging' });
  const unacknowledged = client.sendEvent(new iot.Message('x')).catch((error: Error) => error.name);
  await events.find(() => events.of('hanging').length === 1);
  const closing = client.close();
  const other = await openDevice(hub, 'hanging');
  await other.sendEvent(new iot.Message('y'));
  await Promise.allSettled([within('close', closing, 100), within('send', unacknowledged, 100)]);
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

function firstArrivals(numbers: readonly number[]): number[] {
  return [...new Set(numbers)];
}
