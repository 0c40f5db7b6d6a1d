/**
 * One AMQP connection of azure-iothub, in a thread that ends with it.
 *
 * azure-iothub 1.16.6 makes an error its own cause when the connection breaks under a send (`amqp_service_errors.js`), and
 * overflows the stack when it wants to print it: an uncaught RangeError, thrown from a socket's event, that ends the process.
 * Its other failures leave a client that is stuck between two states, and timers that linger. A thread contains all of them,
 * known or not: what is thrown here ends this thread alone, and its successor has a new client with nothing of the old one.
 * A filter for that one error would let the process go on with a client whose state nobody knows, and would have to be
 * repeated by each process that the service is embedded in.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import common from 'azure-iot-common';
import iothub from 'azure-iothub';
import { type C2dMessage, outcomeOfError } from './c2d-message.ts';
import type { FromThread, ThreadData, ToThread } from './thread-protocol.ts';

if (parentPort === null) throw new Error('sender-thread.ts runs as a thread of the sender');
const port = parentPort;
const { connectionString, caPem } = workerData as ThreadData;
const tell = (message: FromThread): void => port.postMessage(message);

// Applies to this thread only.
if (caPem !== undefined) setDefaultCACertificates([...getCACertificates('default'), caPem]);

const client = iothub.Client.fromConnectionString(connectionString);
// Whoever gave the message decides whether it is worth another try.
client.setRetryPolicy(new common.NoRetry());
client.on('disconnect', () => process.exit());
const opened = client.open();

/** The first send opens the link for all of them: parallel ones would each open one of their own. */
let linked: Promise<unknown> | undefined;

async function send(id: number, message: C2dMessage): Promise<void> {
  const { body, messageId, lifetimeMs } = message;
  const sent = new common.Message(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  sent.messageId = messageId;
  try {
    await opened;
    if (linked !== undefined) await linked;
    // The SDK's types allow JSON alone, and text where AMQP has a timestamp.
    Object.assign(sent, { contentType: 'application/x-protobuf', expiryTimeUtc: Date.now() + lifetimeMs });
    const sending = client.send(message.deviceId, sent);
    linked ??= sending.catch(() => {});
    await sending;
    // The hub has it. Given back at once: the collector, which sees little of this memory, would leave it to its costliest rounds.
    body.buffer.transfer(0);
    tell({ kind: 'outcome', id, outcome: { kind: 'sent' } });
  } catch (error) {
    tell({ kind: 'outcome', id, outcome: outcomeOfError(error as Error) });
  }
}

port.on('message', (told: ToThread) => {
  if (told.kind === 'send') void send(told.id, told.message);
  // The goodbye may never come back; the sender ends the thread in that case.
  else void client.close().finally(() => process.exit());
});

await opened;
tell({ kind: 'open' });
