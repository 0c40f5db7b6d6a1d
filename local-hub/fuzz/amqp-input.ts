/** AMQP sessions as the SDKs have them, then damaged: in the fields, in any length at any depth, by deep nesting, and in the bytes. */
import { createEncoder, type Encoder } from './amqp-encoding.ts';
import type { Knowledge } from './input.ts';
import { damage } from './mutations.ts';
import type { Random } from './random.ts';

const saslHeader = Buffer.from('AMQP\x03\x01\x00\x00', 'latin1');
const amqpHeader = Buffer.from('AMQP\x00\x01\x00\x00', 'latin1');

/** Descriptors of the performatives and sections that are written here (parts 2, 3 and 5 of the standard). */
const code = {
  open: 0x10,
  begin: 0x11,
  attach: 0x12,
  flow: 0x13,
  transfer: 0x14,
  disposition: 0x15,
  detach: 0x16,
  end: 0x17,
  close: 0x18,
  received: 0x23,
  accepted: 0x24,
  rejected: 0x25,
  released: 0x26,
  modified: 0x27,
  source: 0x28,
  target: 0x29,
  saslInit: 0x41,
  messageAnnotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
  value: 0x77,
} as const;

const addresses = (deviceId: string): readonly string[] => [
  '$cbs',
  '$management',
  '/messages/devicebound',
  '/messages/serviceBound/feedback',
  '/messages/serviceBound/filenotifications',
  `/devices/${deviceId}/messages/events`,
  `/devices/${deviceId}/messages/devicebound`,
  `/devices/${deviceId}/methods/devicebound`,
  `/devices/${deviceId}/twin`,
  'messages/events/ConsumerGroups/$Default/Partitions/0',
  'messages/events/ConsumerGroups/$Default/Partitions/99',
  '/devices/%zz/messages/events',
  '',
];

type Draft = { random: Random; amqp: Encoder; knowledge: Knowledge; deviceId: string };

/** A value that nests itself, deeper than any decoder should follow. */
function nested({ random, amqp }: Draft): Buffer {
  const depth = random.pick([2, 40, 2_000]);
  // Without sizes of its own each level costs three bytes: a described value whose descriptor is null.
  if (random.chance(0.5)) return Buffer.concat([Buffer.from('0040'.repeat(depth), 'hex'), amqp.nothing()]);
  let value = amqp.nothing();
  for (let level = 0; level < Math.min(depth, 300); level += 1) {
    value = random.chance(0.5) ? amqp.list([value]) : amqp.map([[amqp.symbol('k'), value]]);
  }
  return value;
}

function oddValue(draft: Draft): Buffer {
  const { random, amqp } = draft;
  return random.pick<() => Buffer>([
    () => amqp.nothing(),
    () => amqp.boolean(random.chance(0.5)),
    () => amqp.uint(random.pick([0, 1, 0x7fff_ffff, 0xffff_ffff])),
    () => amqp.ulong(random.pick([0, 2 ** 53, 2 ** 63])),
    () => amqp.text('x'.repeat(random.pick([0, 1, 300, 40_000]))),
    () => amqp.binary(random.bytes(random.below(40))),
    () => amqp.list([]),
    () => nested(draft),
    () => random.bytes(1 + random.below(12)),
  ])();
}

/** The fields of a performative, with a few replaced by something else, dropped or added. */
function fields(draft: Draft, values: readonly Buffer[]): Buffer {
  const { random, amqp } = draft;
  const items = values.map((value) => (random.chance(0.015) ? oddValue(draft) : value));
  if (random.chance(0.02)) items.length = random.below(items.length + 1);
  if (random.chance(0.02)) items.push(...Array.from({ length: 1 + random.below(20) }, () => oddValue(draft)));
  return amqp.list(items);
}

function performative(draft: Draft, descriptor: number, values: readonly Buffer[], payload?: Buffer): Buffer {
  const { amqp, random } = draft;
  const channel = random.chance(0.97) ? 0 : random.pick([1, 5, 0xffff]);
  const body = amqp.described(descriptor, fields(draft, values));
  return amqp.frame(0, channel, payload ? Buffer.concat([body, payload]) : body);
}

function attach(draft: Draft, handle: number, role: 'sender' | 'receiver', address: string): Buffer {
  const { amqp, random } = draft;
  const filter = amqp.map([
    [
      amqp.symbol('apache.org:selector-filter:string'),
      Buffer.concat([
        Buffer.from([0]),
        amqp.symbol('apache.org:selector-filter:string'),
        amqp.text(
          random.pick([
            "amqp.annotation.x-opt-offset > '-1'",
            "amqp.annotation.x-opt-offset > '@latest'",
            "amqp.annotation.x-opt-sequence-number >= '99999999999999999999'",
            'x'.repeat(500),
          ]),
        ),
      ]),
    ],
  ]);
  const none = amqp.nothing();
  const source = amqp.described(
    code.source,
    fields(draft, [
      amqp.text(address),
      none,
      none,
      none,
      none,
      none,
      none,
      random.chance(0.3) ? filter : none,
    ]),
  );
  const target = amqp.described(code.target, fields(draft, [amqp.text(address)]));
  const epoch = amqp.map([[amqp.symbol('com.microsoft:epoch'), amqp.ulong(random.below(3))]]);
  const deliveries = role === 'sender' ? amqp.uint(0) : none;
  return performative(draft, code.attach, [
    amqp.text(`link-${handle}`),
    amqp.uint(handle),
    amqp.boolean(role === 'receiver'),
    none,
    none,
    source,
    target,
    none,
    none,
    deliveries,
    none,
    none,
    none,
    random.chance(0.3) ? epoch : none,
  ]);
}

function message(draft: Draft, to: string): Buffer {
  const { amqp, random, knowledge, deviceId } = draft;
  const none = amqp.nothing();
  const eventHub = random.chance(0.3);
  const audience = eventHub
    ? `amqp://${knowledge.hostName}/messages/events`
    : `${knowledge.hostName}/devices/${deviceId}`;
  const properties = [
    [amqp.text('operation'), amqp.text(random.pick(['put-token', 'READ', 'nonsense']))],
    [
      amqp.text('type'),
      amqp.text(random.pick(['servicebus.windows.net:sastoken', 'com.microsoft:eventhub'])),
    ],
    [amqp.text('name'), amqp.text(random.pick([audience, 'messages/events', '']))],
  ] as const;
  const token = eventHub
    ? knowledge.eventHubToken
    : random.chance(0.5)
      ? knowledge.ownerToken
      : knowledge.devices[0]?.token;
  const body =
    to === '$cbs'
      ? amqp.described(code.value, amqp.text(token ?? ''))
      : amqp.described(code.data, amqp.binary(random.bytes(random.below(600))));
  return Buffer.concat([
    amqp.described(
      code.messageAnnotations,
      random.chance(0.95) ? amqp.map([[amqp.symbol('operation'), amqp.text('GET')]]) : oddValue(draft),
    ),
    amqp.described(
      code.properties,
      fields(draft, [
        random.chance(0.5) ? amqp.text('1') : amqp.ulong(random.below(9)),
        none,
        amqp.text(
          random.pick([`/devices/${deviceId}/messages/devicebound`, '/devices//messages/devicebound', to]),
        ),
        none,
        amqp.text('reply'),
        amqp.text('1'),
        none,
        none,
        amqp.timestamp(random.pick([0, 1, 2 ** 52, 4_102_444_800_000])),
      ]),
    ),
    amqp.described(code.applicationProperties, random.chance(0.95) ? amqp.map(properties) : oddValue(draft)),
    body,
  ]);
}

function transfer(draft: Draft, handle: number, delivery: number, to: string): Buffer {
  const { amqp, random } = draft;
  const id = amqp.uint(random.chance(0.95) ? delivery : random.below(9));
  const more = amqp.boolean(random.chance(0.05));
  return performative(
    draft,
    code.transfer,
    [
      amqp.uint(handle),
      id,
      amqp.binary(Buffer.from([delivery])),
      amqp.uint(0),
      amqp.boolean(random.chance(0.2)),
      more,
    ],
    message(draft, to),
  );
}

function flow({ random, amqp, ...rest }: Draft, handle: number): Buffer {
  const number = () => amqp.uint(random.pick([0, 1, 100, 2_048, 0x7fff_ffff, 0xffff_ffff]));
  return performative({ random, amqp, ...rest }, code.flow, [
    amqp.uint(0),
    number(),
    amqp.uint(0),
    number(),
    amqp.uint(handle),
    amqp.uint(0),
    number(),
    amqp.uint(0),
    amqp.boolean(random.chance(0.1)),
    amqp.boolean(random.chance(0.3)),
  ]);
}

function disposition(draft: Draft): Buffer {
  const { amqp, random } = draft;
  const outcome = random.pick([
    code.accepted,
    code.rejected,
    code.released,
    code.modified,
    code.received,
    0x77,
  ]);
  return performative(draft, code.disposition, [
    amqp.boolean(random.chance(0.5)),
    amqp.uint(random.below(4)),
    amqp.uint(random.pick([0, 3, 0xffff_ffff])),
    amqp.boolean(random.chance(0.5)),
    amqp.described(outcome, amqp.list([])),
  ]);
}

function session(draft: Draft): Buffer[] {
  const { random, amqp, knowledge, deviceId } = draft;
  const parts: Buffer[] = [];
  if (random.chance(0.95)) {
    const mechanism = amqp.symbol(
      random.chance(0.9) ? 'ANONYMOUS' : random.pick(['PLAIN', 'EXTERNAL', 'MSSBCBS']),
    );
    parts.push(
      saslHeader,
      amqp.frame(
        1,
        0,
        amqp.described(
          code.saslInit,
          fields(draft, [mechanism, amqp.binary(Buffer.from('\0user\0password'))]),
        ),
      ),
    );
  }
  parts.push(amqpHeader);
  parts.push(
    performative(draft, code.open, [
      amqp.text('fuzz'),
      amqp.text(knowledge.hostName),
      amqp.uint(random.pick([512, 65_536, 0xffff_ffff, 1])),
      amqp.ushort(random.pick([0, 10, 65_535])),
      amqp.uint(random.pick([0, 1, 60_000])),
    ]),
  );
  if (random.chance(0.95))
    parts.push(
      performative(draft, code.begin, [
        amqp.nothing(),
        amqp.uint(0),
        amqp.uint(2_048),
        amqp.uint(2_048),
        amqp.uint(random.pick([0, 255])),
      ]),
    );
  const opened: string[] = [];
  for (let steps = random.below(9); steps > 0; steps -= 1) {
    const handle = random.below(Math.max(1, opened.length));
    parts.push(
      random.pick<() => Buffer>([
        () => {
          const address =
            opened.length === 0 && random.chance(0.7) ? '$cbs' : random.pick(addresses(deviceId));
          opened.push(address);
          return attach(draft, opened.length - 1, random.chance(0.6) ? 'sender' : 'receiver', address);
        },
        () => transfer(draft, handle, steps, opened[handle] ?? ''),
        () => flow(draft, handle),
        () => disposition(draft),
        () => performative(draft, code.detach, [amqp.uint(handle), amqp.boolean(random.chance(0.7))]),
        () =>
          random.chance(0.2)
            ? performative(draft, random.pick([code.end, code.close]), [])
            : flow(draft, handle),
        () =>
          random.chance(0.2)
            ? amqp.frame(0, 0, nested(draft))
            : transfer(draft, handle, steps, opened[handle] ?? ''),
        () => amqp.frame(0, 0, Buffer.alloc(0)),
      ])(),
    );
  }
  return parts;
}

/** What one AMQP client sends. */
export function amqpBytes(random: Random, knowledge: Knowledge): Buffer {
  // Of all sessions a third lies about lengths, and such a session does so in about one length of forty.
  const lying = random.chance(0.33);
  const lies = [0, 1, 0x7f, 0xff, 0x100, 0xffff, 0x7fff_ffff, 0xffff_ffff];
  const amqp = createEncoder((length) =>
    lying && random.chance(0.025)
      ? random.pick([...lies, length + 1, Math.max(0, length - 1), length * 2])
      : length,
  );
  const { deviceId } = random.pick(knowledge.devices);
  const parts = session({ random, amqp, knowledge, deviceId });
  const bytes = Buffer.concat(parts);
  if (random.chance(0.7)) return bytes;
  // "AMQP" stays, since it is what brings the connection to the AMQP front-end.
  return Buffer.concat([bytes.subarray(0, 4), damage(random, bytes.subarray(4), random.bytes(64))]);
}
