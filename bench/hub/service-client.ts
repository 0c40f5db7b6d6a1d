/** The cloud side: the unmodified azure-iothub service client over AMQP, sending C2D messages. */
import { randomBytes } from 'node:crypto';
import iotCommon from 'azure-iot-common';
import iothub from 'azure-iothub';
import { answerRequests } from '../processes.ts';
import { storedBodies } from './stored-bodies.ts';

type Request =
  | { kind: 'open'; connectionString: string; deviceId: string }
  | { kind: 'store'; storage: string; bytes: number; count: number }
  | { kind: 'send'; count: number; bytes: number; inFlight: number; mayBeAhead: number }
  | { kind: 'received'; total: number };

const { Client } = iothub;
const { Message, NoRetry } = iotCommon;
let client: iothub.Client;
let deviceId: string;
/** The body of a message by its number. */
let bodyOf: ((index: number) => Promise<Buffer>) | undefined;
let received = 0;
let sent = 0;
const wake: (() => void)[] = [];

answerRequests(async (request: Request) => {
  if (request.kind === 'open') {
    client = Client.fromConnectionString(request.connectionString);
    client.setRetryPolicy(new NoRetry());
    deviceId = request.deviceId;
    await client.open();
    // One message first: concurrent first sends would each open a link of their own.
    await client.send(deviceId, new Message(Buffer.alloc(1)));
    sent += 1;
    return undefined;
  }
  if (request.kind === 'store') {
    bodyOf = await storedBodies(request);
    return undefined;
  }
  if (request.kind === 'received') {
    received = Math.max(received, request.total);
    for (const resolve of wake.splice(0)) resolve();
    return undefined;
  }
  return send(request);
});

/** Sends `count` messages; waits while more than `mayBeAhead` of them have not reached the device, as a real sender must. */
async function send(options: Extract<Request, { kind: 'send' }>): Promise<number> {
  const body = randomBytes(options.bytes);
  const started = performance.timeOrigin + performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < options.count) {
      const index = next;
      next += 1;
      sent += 1;
      while (sent - received > options.mayBeAhead) await new Promise<void>((resolve) => wake.push(resolve));
      await client.send(deviceId, new Message((await bodyOf?.(index)) ?? body));
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, lane));
  return started;
}
