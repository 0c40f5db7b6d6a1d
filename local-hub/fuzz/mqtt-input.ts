/** MQTT sessions as a device would have them, then damaged: in the packets' fields, in their lengths, and in the bytes. */
import mqtt, { type Packet } from 'mqtt-packet';
import type { Knowledge } from './input.ts';
import { damage } from './mutations.ts';
import type { Random } from './random.ts';

const oddTexts = [
  '',
  '\0',
  '#',
  '+',
  '/',
  '%',
  '%zz',
  '%00',
  '$',
  '../',
  'é\u{1F600}',
  'x'.repeat(3_000),
  '%24.mid=%',
  '&&==&',
];
const bodies = [
  ' ',
  '',
  '{',
  '[]',
  'null',
  '{"a":1}',
  '{"__proto__":{"x":1}}',
  '{"a":{"$b":1,"c.d":null}}',
  `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`,
  '"\\ud800"',
  '1e999',
];

function oddly(random: Random, text: string): string {
  if (random.chance(0.75)) return text;
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick(oddTexts) + (random.chance(0.5) ? text.slice(at) : '');
}

function connect(random: Random, { hostName, idScope, devices }: Knowledge): Packet {
  const { deviceId, token } = random.pick(devices);
  const provisioning = random.chance(0.1);
  const userName = provisioning
    ? `${idScope}/registrations/${deviceId}/api-version=2019-03-31&ClientVersion=fuzz`
    : `${hostName}/${deviceId}/?api-version=2021-04-12&DeviceClientType=fuzz`;
  return {
    cmd: 'connect',
    protocolId: random.chance(0.97) ? 'MQTT' : 'MQIsdp',
    protocolVersion: random.chance(0.97) ? 4 : random.pick([3, 5] as const),
    clean: random.chance(0.5),
    clientId: oddly(random, deviceId),
    username: oddly(random, userName),
    password: Buffer.from(random.chance(0.85) ? token : oddly(random, token)),
    keepalive: random.pick([0, 1, 180, 65_535]),
    ...(random.chance(0.15) && {
      will: {
        topic: oddly(random, `devices/${deviceId}/messages/events/`),
        payload: Buffer.from(random.pick(bodies)),
        qos: random.pick([0, 1, 2] as const),
        retain: random.chance(0.3),
      },
    }),
  };
}

function topicOf(random: Random, deviceId: string): string {
  const rid = random.below(5);
  return oddly(
    random,
    random.pick([
      `devices/${deviceId}/messages/events/%24.mid=m${rid}&k=v`,
      `devices/${deviceId}/messages/events/`,
      `$iothub/twin/GET/?$rid=${rid}`,
      `$iothub/twin/PATCH/properties/reported/?$rid=${rid}`,
      `$iothub/methods/res/200/?$rid=${rid}`,
      `$dps/registrations/PUT/iotdps-register/?$rid=${rid}`,
      `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${rid}&operationId=x`,
      'devices/somebody-else/messages/events/',
    ]),
  );
}

function subscriptionOf(random: Random, deviceId: string): string {
  return oddly(
    random,
    random.pick([
      `devices/${deviceId}/messages/devicebound/#`,
      '$iothub/twin/res/#',
      '$iothub/twin/PATCH/properties/desired/#',
      '$iothub/methods/POST/#',
      '$dps/registrations/res/#',
      '#',
    ]),
  );
}

function packet(random: Random, deviceId: string): Packet {
  const messageId = 1 + random.below(20);
  const topic = () => subscriptionOf(random, deviceId);
  return random.pick<() => Packet>([
    () => ({
      cmd: 'publish',
      topic: topicOf(random, deviceId),
      payload: random.chance(0.8) ? Buffer.from(random.pick(bodies)) : random.bytes(random.below(2_000)),
      qos: random.pick([0, 1, 1, 1, 2] as const),
      messageId,
      dup: random.chance(0.1),
      retain: random.chance(0.1),
    }),
    () => ({
      cmd: 'subscribe',
      messageId,
      subscriptions: Array.from({ length: random.chance(0.9) ? 1 : 12 }, () => ({
        topic: topic(),
        qos: random.pick([0, 1, 2] as const),
      })),
    }),
    () => ({ cmd: 'unsubscribe', messageId, unsubscriptions: [topic()] }),
    () => ({ cmd: 'puback', messageId }),
    () => ({ cmd: random.pick(['pubrec', 'pubrel', 'pubcomp'] as const), messageId }),
    () => ({ cmd: 'pingreq' }),
    () => ({ cmd: random.pick(['pingresp', 'disconnect'] as const) }),
    () => ({ cmd: 'connack', returnCode: 0, sessionPresent: false }),
    () => ({ cmd: 'suback', messageId, granted: [1] }),
  ])();
}

/** The packet's bytes; a packet that the codec itself refuses to make becomes a ping. */
function encode(value: Packet): Buffer {
  try {
    return mqtt.generate(value);
  } catch {
    return Buffer.from([0xc0, 0x00]);
  }
}

/** A remaining length that does not fit what follows, up to the 256 MiB that MQTT can express. */
function lieAboutLength(random: Random, bytes: Buffer): Buffer {
  const lengths = [
    [0xff, 0xff, 0xff, 0x7f],
    [0xff, 0xff, 0xff, 0xff],
    [0x00],
    [0x7f],
    [0x80, 0x80, 0x04],
    [0x80, 0x00],
  ];
  return Buffer.concat([bytes.subarray(0, 1), Buffer.from(random.pick(lengths)), bytes.subarray(2)]);
}

function damagedPacket(random: Random, bytes: Buffer): Buffer {
  if (random.chance(0.8)) return bytes;
  if (random.chance(0.3)) return lieAboutLength(random, bytes);
  if (random.chance(0.2)) return Buffer.from([random.below(256), ...bytes.subarray(1)]);
  return damage(random, bytes, bytes);
}

/** What one MQTT client sends. */
export function mqttBytes(random: Random, knowledge: Knowledge): Buffer {
  const { deviceId } = random.pick(knowledge.devices);
  const packets = Array.from({ length: random.below(8) }, () => packet(random, deviceId));
  if (random.chance(0.95)) packets.unshift(connect(random, knowledge));
  const session = Buffer.concat(packets.map((each) => damagedPacket(random, encode(each))));
  const bytes = session.length === 0 ? random.bytes(20) : session;
  if (random.chance(0.7)) return bytes;
  // The first byte stays, since it is what brings the connection to the MQTT front-end.
  return Buffer.concat([bytes.subarray(0, 1), damage(random, bytes.subarray(1), random.bytes(64))]);
}
