/** A device: the unmodified azure-iot-device over MQTT, receiving C2D messages or sending D2C messages as told. */
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import { answerRequests, reportProgress } from './processes.ts';

type Request =
  | { kind: 'open'; connectionString: string; ca: string }
  | { kind: 'receive'; total: number }
  | { kind: 'send'; count: number; bytes: number; inFlight: number };

const { Client, Message } = iot;
let client: iot.Client;
let received = 0;
let arrived: () => void = () => {};

answerRequests(async (request: Request) => {
  if (request.kind === 'open') {
    client = Client.fromConnectionString(request.connectionString, Mqtt);
    await client.setOptions({ ca: request.ca });
    await client.open();
    client.on('message', (message) => {
      client.complete(message, () => {});
      received += 1;
      if (received % 4 === 0) reportProgress(received);
      arrived();
    });
    return undefined;
  }
  if (request.kind === 'receive') return receive(request.total);
  return send(request.count, request.bytes, request.inFlight);
});

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

/** Sends `count` messages with at most `inFlight` unacknowledged and answers how many milliseconds that took. */
async function send(count: number, bytes: number, inFlight: number): Promise<number> {
  const body = 'x'.repeat(bytes);
  const started = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await client.sendEvent(new Message(body));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return performance.now() - started;
}
