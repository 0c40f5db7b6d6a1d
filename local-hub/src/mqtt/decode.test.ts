import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generate, type Packet } from 'mqtt-packet';
import { createDecoder } from './decode.ts';

const connect: Packet = { cmd: 'connect', clientId: 'dev', clean: false, username: 'u', keepalive: 60 };
const publish: Packet = {
  cmd: 'publish',
  topic: 'devices/dev/messages/events/',
  payload: Buffer.from('hello'),
  qos: 1,
  messageId: 7,
  dup: false,
  retain: false,
};

function reasonOf(bytes: Buffer | number[]): string {
  const decoded = createDecoder().decode(Buffer.from(bytes));
  assert.equal(decoded.cmd, 'malformed');
  return decoded.cmd === 'malformed' ? decoded.reason : '';
}

test('well-formed packets are decoded by one decoder, whatever came before', () => {
  const { decode } = createDecoder();
  assert.equal(decode(generate(connect)).cmd, 'connect');
  assert.equal(decode(Buffer.from([0x30, 0x01, 0xff])).cmd, 'malformed');
  const decoded = decode(generate(publish));
  assert.ok(decoded.cmd === 'publish');
  assert.equal(decoded.topic, publish.topic);
  assert.deepEqual(decoded.payload, publish.payload);
  assert.equal(decode(Buffer.from([0xc0, 0x00])).cmd, 'pingreq');
});

test('a CONNECT of another protocol version is refused with return code 1, and does not change how others are read', () => {
  const { decode } = createDecoder();
  for (const protocolVersion of [3, 5] as const) {
    const other: Packet = {
      ...connect,
      protocolVersion,
      protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    };
    const decoded = decode(generate(other));
    assert.ok(decoded.cmd === 'malformed');
    assert.equal(decoded.returnCode, 1);
  }
  const future = generate(connect);
  future[8] = 6;
  const decoded = decode(future);
  assert.ok(decoded.cmd === 'malformed' && decoded.returnCode === 1);
  assert.equal(decode(generate(publish)).cmd, 'publish');
});

test('each broken rule is named', () => {
  const withFlags = (packet: Packet, flags: number) => {
    const bytes = generate(packet);
    bytes[0] = ((bytes[0] as number) & 0xf0) | flags;
    return bytes;
  };
  assert.match(reasonOf(withFlags(publish, 0x06)), /QoS/);
  assert.match(reasonOf(withFlags({ ...publish, qos: 0 }, 0x08)), /MQTT-3\.3\.1-2/);
  assert.match(reasonOf(generate({ ...publish, messageId: 0 })), /MQTT-2\.3\.1-1/);
  assert.match(reasonOf(generate({ ...publish, topic: 'devices/+/messages/events/' })), /MQTT-3\.3\.2-2/);
  assert.match(reasonOf(generate({ ...publish, topic: 'a\0b' })), /MQTT-1\.5\.3-1/);
  assert.match(reasonOf([0x30, 0x05, 0x00, 0x03, 0xff, 0xfe, 0x61]), /MQTT-1\.5\.3-1/);
  assert.match(reasonOf([0x80, 0x02, 0x00, 0x01]), /flag/);
  assert.match(reasonOf([0x82, 0x02, 0x00, 0x01]), /MQTT-3\.8\.3-3/);
  assert.match(reasonOf([0xa2, 0x02, 0x00, 0x01]), /MQTT-3\.10\.3-2/);
  assert.match(reasonOf([0xc0, 0x01, 0x00]), /length/);
  assert.match(reasonOf([0x40, 0x00]), /length/);
  assert.match(reasonOf([0x00, 0x00]), /supported/);
});

test('a will with QoS 3 and a password without a user name are refused', () => {
  const will = { topic: 'devices/dev/messages/events/', payload: Buffer.from('x'), qos: 1 as const };
  const bytes = generate({ ...connect, will });
  bytes[9] = (bytes[9] as number) | 0x18;
  assert.match(reasonOf(bytes), /MQTT-3\.1\.2-14/);
  const noUserName = generate({ ...connect, password: Buffer.from('p') });
  noUserName[9] = (noUserName[9] as number) & ~0x80;
  assert.match(reasonOf(noUserName), /MQTT-3\.1\.2-22|Packet|password/);
});

test('any truncation or corruption of a packet is either decoded or reported, never thrown', () => {
  const { decode } = createDecoder();
  const subscribe: Packet = {
    cmd: 'subscribe',
    messageId: 3,
    subscriptions: [{ topic: '$iothub/twin/res/#', qos: 1 }],
  };
  const unsubscribe: Packet = { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['$iothub/twin/res/#'] };
  for (const packet of [connect, publish, subscribe, unsubscribe]) {
    const whole = generate(packet);
    for (let at = 2; at < whole.length; at++) {
      const cut = Buffer.from(whole.subarray(0, at));
      cut[1] = at - 2;
      decode(cut);
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const corrupt = Buffer.from(whole);
        corrupt[at] = value;
        decode(corrupt);
      }
    }
  }
  assert.equal(decode(generate(publish)).cmd, 'publish', 'the decoder still works');
});
