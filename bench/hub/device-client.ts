/** Devices: the unmodified azure-iot-device over MQTT, receiving C2D messages or sending D2C messages as told. */
import { randomBytes } from 'node:crypto';
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import { answerRequests, reportProgress } from '../processes.ts';

type Request =
  | { kind: 'open'; connectionStrings: string[]; ca: string }
  | { kind: 'receive'; total: number }
  | { kind: 'send'; count: number; bytes: number; body: 'binary' | 'text'; inFlight: number };

const { Client, Message } = iot;
const clients: iot.Client[] = [];
let received = 0;
let arrived: () => void = () => {};

answerRequests(async (request: Request) => {
  if (request.kind === 'open') {
    for (const connectionString of request.connectionStrings)
      clients.push(await open(connectionString, request.ca));
    return undefined;
  }
  if (request.kind === 'receive') return receive(request.total);
  return send(request);
});

async function open(connectionString: string, ca: string): Promise<iot.Client> {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  await client.setOptions({ ca });
  await client.open();
  client.on('message', (message) => {
    client.complete(message, () => {});
    received += 1;
    if (received % 4 === 0) reportProgress(received);
    arrived();
  });
  return client;
}

/** Waits until `total` messages have come since the start and answers the instant at which the last one did. */
async function receive(total: number): Promise<number> {
  await new Promise<void>((resolve) => {
    arrived = () => {
      if (received >= total) resolve();
    };
    arrived();
  });
  return performance.timeOrigin + performance.now();
}

/** Sends `count` messages from all devices, `inFlight` of each unacknowledged at most, and answers how many milliseconds that took. */
async function send(options: Extract<Request, { kind: 'send' }>): Promise<number> {
  const { count, bytes, inFlight } = options;
  const body = options.body === 'binary' ? randomBytes(bytes) : 'x'.repeat(bytes);
  const started = performance.now();
  let next = 0;
  const lane = async (client: iot.Client): Promise<void> => {
    while (next < count) {
      next += 1;
      await client.sendEvent(new Message(body));
    }
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => lane(client))));
  return performance.now() - started;
}
