/**
 * For tests: an MQTT client that sends exactly what it is told, right or wrong, and shows exactly what comes back.
 */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import {
  parser as createParser,
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type Packet,
} from 'mqtt-packet';

/** Fields of CONNECT; undefined takes a default away. */
export type ConnectFields = { [K in keyof IConnectPacket]?: IConnectPacket[K] | undefined };

export type RawClient = {
  readonly stream: Duplex;
  send(packet: Packet | Buffer): void;
  /** The next packet, whatever it is. Rejects when the connection ends first. */
  next(): Promise<Packet>;
  /** The next packet, which must be of this kind. */
  expect<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>>;
  /** Packets that have arrived and were not taken. */
  readonly waiting: readonly Packet[];
  connect(packet?: ConnectFields): Promise<IConnackPacket>;
  subscribe(...filters: string[]): Promise<readonly unknown[]>;
  publish(topic: string, payload: string | Buffer, options?: Partial<IPublishPacket>): void;
  /** Resolves when the hub has ended the connection. */
  readonly ended: Promise<void>;
  /** Leaves without a word, as a broken link does. */
  vanish(): void;
};

/** Speaks MQTT on one end of a stream. `defaults` complete each CONNECT. */
export function createRawClient(stream: Duplex, defaults: ConnectFields = {}): RawClient {
  const parser = createParser();
  const waiting: Packet[] = [];
  const takers: { resolve(packet: Packet): void; reject(error: Error): void }[] = [];
  let over = false;
  const { promise: ended, resolve: onEnded } = Promise.withResolvers<void>();

  function end(): void {
    over = true;
    onEnded();
    for (const taker of takers.splice(0)) taker.reject(new Error('the hub ended the connection'));
  }
  parser.on('packet', (packet) => {
    const taker = takers.shift();
    if (taker === undefined) waiting.push(packet);
    else taker.resolve(packet);
  });
  stream.on('data', (chunk: Buffer) => parser.parse(chunk));
  stream.on('end', end);
  stream.on('close', end);
  stream.on('error', end);

  function next(): Promise<Packet> {
    const packet = waiting.shift();
    if (packet !== undefined) return Promise.resolve(packet);
    if (over) return Promise.reject(new Error('the hub has ended the connection'));
    return new Promise((resolve, reject) => takers.push({ resolve, reject }));
  }

  async function expect<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    const packet = await next();
    assert.equal(packet.cmd, cmd, JSON.stringify(packet));
    return packet as Extract<Packet, { cmd: C }>;
  }

  const client: RawClient = {
    stream,
    send: (packet) => void stream.write(Buffer.isBuffer(packet) ? packet : generate(packet)),
    next,
    expect,
    waiting,
    connect(packet) {
      const clientId = defaults.clientId ?? '';
      const fields = { protocolVersion: 4, clean: true, clientId, ...defaults, ...packet };
      client.send({ ...fields, cmd: 'connect' } as IConnectPacket);
      return expect('connack');
    },
    async subscribe(...filters) {
      const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }));
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
      return (await expect('suback')).granted;
    },
    publish(topic, payload, options) {
      client.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...options });
    },
    ended,
    vanish: () => stream.destroy(),
  };
  return client;
}
