/**
 * Turns the bytes of one MQTT packet into an object, with every check of MQTT 3.1.1 that needs nothing but the packet itself.
 * One decoder serves all connections: packets are cut beforehand, so nothing is kept from one packet to the next.
 */
import { parser as createParser, type IConnectPacket, type Packet } from 'mqtt-packet';

/**
 * A packet that breaks the standard; the connection it came from must be closed [MQTT-4.8.0-1], after a CONNACK when
 * `returnCode` says with which.
 */
export type MalformedPacket = { cmd: 'malformed'; reason: string; returnCode?: 1 };

export type Decoder = { decode(packet: Buffer): Packet | MalformedPacket };

const malformed = (reason: string): MalformedPacket => ({ cmd: 'malformed', reason });

// [MQTT-1.5.3-1], [MQTT-1.5.3-2]: strings must be well-formed UTF-8 without U+0000. The codec replaces ill-formed sequences by
// U+FFFD, which IoT Hub's URL-encoded names never hold themselves.
const isIllFormed = (text: string): boolean => text.includes('\0') || text.includes('\uFFFD');

function checkConnect(packet: IConnectPacket): string | undefined {
  const { clientId, username, password, will } = packet;
  if (password !== undefined && username === undefined)
    return 'it has a password but no user name [MQTT-3.1.2-22]';
  if (will?.qos !== undefined && (will.qos as number) > 2) return 'the will has QoS 3 [MQTT-3.1.2-14]';
  for (const text of [clientId, username, will?.topic])
    if (text !== undefined && isIllFormed(text)) return 'a string is not valid UTF-8 [MQTT-1.5.3-1]';
  return undefined;
}

/** The CONNECT packet's type bits, and what MQTT 3.1.1 has at the start of its variable header (§3.1.2.1, §3.1.2.2). */
const connectType = 1;
const protocolNameAndLevel = Buffer.from([0x00, 0x04, 0x4d, 0x51, 0x54, 0x54, 0x04]);

/** Whether a CONNECT packet is of another protocol or another version of MQTT. */
function isForeignConnect(bytes: Buffer): boolean {
  if ((bytes[0] as number) >> 4 !== connectType) return false;
  let start = 1;
  while (((bytes[start] ?? 0) & 0x80) !== 0) start += 1;
  const found = bytes.subarray(start + 1, start + 1 + protocolNameAndLevel.length);
  return !found.equals(protocolNameAndLevel);
}

/** What is wrong with a decoded packet; undefined when it may be handled. */
function check(packet: Packet): string | undefined {
  switch (packet.cmd) {
    case 'connect':
      return checkConnect(packet);
    case 'publish':
      if (packet.qos === 0 && packet.dup) return 'DUP is set at QoS 0 [MQTT-3.3.1-2]';
      if (packet.qos > 0 && packet.messageId === 0) return 'the packet identifier is 0 [MQTT-2.3.1-1]';
      if (packet.topic === '') return 'the topic is empty [MQTT-4.7.3-1]';
      if (/[#+]/.test(packet.topic)) return 'the topic has a wildcard [MQTT-3.3.2-2]';
      return isIllFormed(packet.topic) ? 'the topic is not valid UTF-8 [MQTT-1.5.3-1]' : undefined;
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return packet.length === 2 ? undefined : 'its length must be 2';
    case 'subscribe':
      if (packet.messageId === 0) return 'the packet identifier is 0 [MQTT-2.3.1-1]';
      if (packet.subscriptions.length === 0) return 'it names no topic filter [MQTT-3.8.3-3]';
      return packet.subscriptions.some(({ topic }) => topic === '' || isIllFormed(topic))
        ? 'a topic filter is empty or not valid UTF-8 [MQTT-4.7.3-1]'
        : undefined;
    case 'unsubscribe':
      if (packet.messageId === 0) return 'the packet identifier is 0 [MQTT-2.3.1-1]';
      return packet.unsubscriptions.length === 0 ? 'it names no topic filter [MQTT-3.10.3-2]' : undefined;
    case 'pingreq':
    case 'disconnect':
      return packet.length === 0 ? undefined : 'its length must be 0';
    default:
      return undefined;
  }
}

/** Creates the decoder. It never throws. */
export function createDecoder(): Decoder {
  let decoded: Packet | undefined;
  let failure: string | undefined;

  function newParser() {
    const parser = createParser();
    parser.on('packet', (packet) => {
      decoded = packet;
    });
    parser.on('error', (error: Error) => {
      failure = error.message;
    });
    return parser;
  }

  let parser = newParser();

  return {
    decode(bytes) {
      // [MQTT-3.1.2-2]. Judged before the codec sees it, which would read later packets by the other version's rules.
      if (isForeignConnect(bytes))
        return { ...malformed('its protocol version is not MQTT 3.1.1 [MQTT-3.1.2-2]'), returnCode: 1 };
      decoded = undefined;
      failure = undefined;
      let leftOver = 0;
      try {
        leftOver = parser.parse(bytes);
      } catch {
        // The codec reads past the end of packets whose inner lengths lie.
        failure = 'a length inside it exceeds the packet';
      }
      const packet = decoded as Packet | undefined;
      if (failure === undefined && (packet === undefined || leftOver > 0))
        failure = 'its length does not match its type';
      // The codec remembers the last CONNECT, password included, and takes its protocol version for later packets.
      if (failure !== undefined || packet?.cmd === 'connect') parser = newParser();
      if (failure !== undefined || packet === undefined) return malformed(failure ?? 'it is empty');
      const reason = check(packet);
      return reason === undefined ? packet : malformed(reason);
    },
  };
}
