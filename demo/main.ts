/**
 * `make demo`: an IoT Hub on this machine, used through Microsoft's own SDKs, killed in the middle of its work and started again.
 * It lives in a temporary folder and leaves nothing behind.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { type HubProcess, startHub } from './hub-process.ts';
import { callMethod, connectDevice, openEvents, openService } from './sdks.ts';
import { say, step, timed } from './story.ts';

const deviceId = 'ws-1';

async function play(dataDir: string, onStart: (hub: HubProcess) => void): Promise<void> {
  step('An IoT Hub on this machine');
  const start = async (port: number, amqpPort: number): Promise<HubProcess> => {
    const hub = await startHub({ dataDir, port, amqpPort, deviceId });
    onStart(hub);
    return hub;
  };
  const hub = await timed('started, with a certificate authority of its own', () => start(0, 0));
  const { hostName, ports, amqpPort, caPath, service, eventHub, devices } = hub.announcement;
  const ca = await readFile(caPath, 'utf8');
  // What NODE_EXTRA_CA_CERTS does from outside: most of the SDKs cannot be told whom to trust.
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ca]);
  say(`TLS on ${hostName}: MQTT, AMQP, HTTPS and WebSocket on one port`);

  step('A workstation connects and sends telemetry');
  const events = await openEvents(eventHub);
  const device = await timed(`${deviceId} connected (azure-iot-device, MQTT)`, () =>
    connectDevice(devices[deviceId]!, ca),
  );
  await timed('three messages sent and read from the Event Hubs endpoint (@azure/event-hubs)', async () => {
    for (const n of [1, 2, 3]) await device.send(`reading ${n}`);
    say(`   ${(await events.next(3)).join(', ')}`);
  });
  await events.close();

  step('The cloud talks to the workstation');
  const cloud = await openService(service);
  await timed('a message sent (azure-iothub, AMQP) and received', async () => {
    await cloud.send(deviceId, 'hello, workstation');
    say(`   "${(await device.next(1)).join()}"`);
  });
  const answer = await timed(
    'direct method cloudtodevicepurge, as az iot hub invoke-device-method calls it',
    () => callMethod(service, deviceId, 'cloudtodevicepurge'),
  );
  say(`   ${JSON.stringify(answer)}`);

  step('The power goes');
  await device.close();
  await timed('workstation off; three messages queued for it', async () => {
    for (const n of [1, 2, 3]) await cloud.send(deviceId, `queued ${n}`);
  });
  await cloud.close();
  await timed('hub killed with SIGKILL', () => hub.kill('SIGKILL'));
  await timed('hub started again', () => start(ports[0]!, amqpPort));
  const again = await connectDevice(devices[deviceId]!, ca);
  await timed('workstation back; nothing lost, nothing out of order', async () => {
    say(`   ${(await again.next(3)).join(', ')}`);
  });
  await again.close();

  step('Try next');
  say('npx iotdh-local-hub          # keep one running; it prints the connection strings of every SDK');
  say('npx iotdh-local-hub --help');
  say('make test                    # the contract, the hub, and Microsoft’s SDKs against it');
}

const dataDir = await mkdtemp(join(tmpdir(), 'iotdh-demo-'));
const hubs: HubProcess[] = [];

async function cleanUp(): Promise<void> {
  await Promise.all(hubs.map((hub) => hub.kill('SIGTERM')));
  await rm(dataDir, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}
try {
  await play(dataDir, (hub) => hubs.push(hub));
} finally {
  await cleanUp();
}
// The SDKs leave timers behind that would keep the process for a minute more.
process.exit();
