/** What one malformed client does: a protocol, the bytes it sends and how it ends. An input is a pure function of (seed, index). */
import { amqpBytes } from './amqp-input.ts';
import { httpBytes } from './http-input.ts';
import { mqttBytes } from './mqtt-input.ts';
import { createRandom, type Random } from './random.ts';
import { webSocketBytes } from './websocket-input.ts';

export type Protocol = 'mqtt' | 'amqp' | 'http' | 'websocket';

export type Input = {
  index: number;
  protocol: Protocol;
  /** Sent one after the other, each in a turn of the event loop of its own. */
  chunks: Buffer[];
  /** `end` closes its half politely, `cut` destroys the connection, `linger` stays silent until the hub closes it. */
  ending: 'end' | 'cut' | 'linger';
  /** False for a client that takes none of the answers before it has sent everything. */
  reads: boolean;
};

/** What a hostile client may know: identities that exist, so that inputs also get past the door. */
export type Knowledge = {
  /** As clients spell it in tokens and user names: `localhost:18443`. */
  hostName: string;
  idScope: string;
  devices: readonly { deviceId: string; token: string }[];
  /** A token of a policy that may do everything. */
  ownerToken: string;
  /** The same in the dialect of Event Hubs. */
  eventHubToken: string;
};

const generators: Record<Protocol, (random: Random, knowledge: Knowledge) => Buffer> = {
  mqtt: mqttBytes,
  amqp: amqpBytes,
  http: httpBytes,
  websocket: webSocketBytes,
};

/** Of 20 inputs, so many speak this protocol. */
const mix: readonly Protocol[] = [
  ...Array<Protocol>(10).fill('mqtt'),
  ...Array<Protocol>(5).fill('amqp'),
  ...Array<Protocol>(4).fill('http'),
  'websocket',
];

function split(random: Random, bytes: Buffer): Buffer[] {
  if (bytes.length < 2 || random.chance(0.6)) return [bytes];
  const cuts = Array.from({ length: 1 + random.below(6) }, () => random.below(bytes.length)).sort(
    (a, b) => a - b,
  );
  return [0, ...cuts]
    .map((from, part) => bytes.subarray(from, cuts[part] ?? bytes.length))
    .filter((chunk) => chunk.length > 0);
}

/** The input number `index` of `seed`. `lingering` is the share of clients that fall silent without closing. */
export function inputOf(seed: number, index: number, knowledge: Knowledge, lingering: number): Input {
  const random = createRandom(seed, index);
  const protocol = random.pick(mix);
  // An idle HTTP connection is Node's to close, after more than a minute.
  const silent = random.chance(lingering) && (protocol === 'mqtt' || protocol === 'amqp');
  const ending = silent ? 'linger' : random.chance(0.5) ? 'end' : 'cut';
  const reads = random.chance(0.95);
  return { index, protocol, ending, reads, chunks: split(random, generators[protocol](random, knowledge)) };
}
