/** For tests: AMQP peers below any SDK, some of which break the rules. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import rhea, { type Connection, type EventContext, type Message, type Receiver, type Sender } from 'rhea';

/** Resolves with what the next event of this name says. */
export async function next(
  emitter: { once(event: string, listener: (context: EventContext) => void): unknown },
  event: string,
): Promise<EventContext> {
  return new Promise((resolve) => {
    emitter.once(event, resolve);
  });
}

/** The condition of the error with which a link, session or connection ended. */
export const conditionOf = (endpoint: { error?: unknown } | undefined): string | undefined =>
  (endpoint?.error as { condition?: string } | undefined)?.condition;

/** Puts a token to $cbs. Resolves to the status code. */
export async function putToken(peer: Connection, audience: string, token: string): Promise<number> {
  const receiver = peer.open_receiver('$cbs');
  const sender = peer.open_sender('$cbs');
  await next(sender, 'sendable');
  const reply = next(receiver, 'message');
  const id = rhea.generate_uuid();
  sender.send({
    message_id: id,
    reply_to: 'cbs',
    application_properties: {
      operation: 'put-token',
      type: 'servicebus.windows.net:sastoken',
      name: audience,
    },
    body: token,
  });
  const { message } = await reply;
  if (message?.correlation_id !== id) throw new Error('the reply is for another request');
  return message.application_properties?.['status-code'];
}

/** Sends one message and resolves to its outcome: `accepted`, `released`, or the condition of the rejection. */
export async function send(
  sender: Sender,
  message: Message | Buffer,
  tag?: Buffer,
  format?: number,
): Promise<string> {
  if (!sender.sendable()) await next(sender, 'sendable');
  const outcome = new Promise<string>((resolve) => {
    const listeners = {
      accepted: () => done('accepted'),
      released: () => done('released'),
      rejected({ delivery }: EventContext) {
        const state = delivery?.remote_state as { error?: { condition?: string } } | undefined;
        done(state?.error?.condition ?? 'rejected');
      },
    };
    function done(result: string): void {
      for (const [event, listener] of Object.entries(listeners)) sender.off(event, listener);
      resolve(result);
    }
    for (const [event, listener] of Object.entries(listeners)) sender.on(event, listener);
  });
  sender.send(message, tag, format);
  return outcome;
}

/** Collects the messages of a receiver. */
export function collect(receiver: Receiver): EventContext[] {
  const received: EventContext[] = [];
  receiver.on('message', (context: EventContext) => void received.push(context));
  return received;
}

export type RawSocket = {
  socket: Socket;
  /** Everything received so far. */
  received(): Buffer;
  write(...bytes: Buffer[]): void;
  /** Resolves when the hub has closed the connection. */
  closed: Promise<unknown>;
};

/** A plain TCP connection that has not said anything. */
export async function openSocket(t: TestContext, port: number): Promise<RawSocket> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => void chunks.push(chunk));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return {
    socket,
    received: () => Buffer.concat(chunks),
    write: (...bytes) => void socket.write(Buffer.concat(bytes)),
    closed,
  };
}

/** An AMQP frame with this body. */
export function frame(body: Buffer, type = 0, channel = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + body.length, 0);
  header.writeUInt8(2, 4);
  header.writeUInt8(type, 5);
  header.writeUInt16BE(channel, 6);
  return Buffer.concat([header, body]);
}

const { types } = rhea;

/** A frame with a performative of these fields; plain strings and numbers get AMQP's obvious types. */
export function performative(code: number, fields: unknown[], payload = Buffer.alloc(0)): Buffer {
  const writer = new (
    types as unknown as { Writer: new () => { write(value: unknown): void; toBuffer(): Buffer } }
  ).Writer();
  writer.write(types.described_nc(types.wrap_ulong(code), types.wrap_list(fields)));
  return frame(Buffer.concat([writer.toBuffer(), payload]));
}
