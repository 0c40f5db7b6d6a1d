/** WebSocket upgrades as the SDKs send them, then frames (RFC 6455 §5.2) that carry damaged MQTT or AMQP, or are damaged themselves. */
import { amqpBytes } from './amqp-input.ts';
import type { Knowledge } from './input.ts';
import { mqttBytes } from './mqtt-input.ts';
import { damage } from './mutations.ts';
import type { Random } from './random.ts';

function upgrade(random: Random, { hostName }: Knowledge, subProtocol: string): Buffer {
  const path = random.chance(0.9)
    ? '/$iothub/websocket'
    : random.pick(['/', '/$servicebus/websocket', '/x?y']);
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${hostName}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Version: ${random.chance(0.95) ? 13 : random.below(20)}`,
    `Sec-WebSocket-Key: ${random.chance(0.95) ? random.bytes(16).toString('base64') : 'short'}`,
    ...(random.chance(0.95) ? [`Sec-WebSocket-Protocol: ${subProtocol}`] : []),
    ...(random.chance(0.2) ? ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] : []),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

function frame(random: Random, payload: Buffer): Buffer {
  const opcode = random.chance(0.9) ? 0x2 : random.pick([0x0, 0x1, 0x3, 0x8, 0x9, 0xa, 0xf]);
  const flags = random.chance(0.9) ? 0x80 : random.pick([0x00, 0xc0, 0xf0]);
  const masked = random.chance(0.97) ? 0x80 : 0;
  const mask = random.bytes(4);
  const lengths = random.chance(0.02)
    ? Buffer.concat([Buffer.from([masked | 127]), Buffer.from('7fffffffffffffff', 'hex')])
    : payload.length < 126
      ? Buffer.from([masked | payload.length])
      : Buffer.from([
          masked | 127,
          0,
          0,
          0,
          0,
          0,
          (payload.length >> 16) & 0xff,
          (payload.length >> 8) & 0xff,
          payload.length & 0xff,
        ]);
  const body = masked ? payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) : payload;
  return Buffer.concat([Buffer.from([flags | opcode]), lengths, masked ? mask : Buffer.alloc(0), body]);
}

/** What one WebSocket client sends. */
export function webSocketBytes(random: Random, knowledge: Knowledge): Buffer {
  const mqtt = random.chance(0.6);
  const head = upgrade(random, knowledge, mqtt ? 'mqtt' : 'AMQPWSB10');
  const content = mqtt ? mqttBytes(random, knowledge) : amqpBytes(random, knowledge);
  const at = random.below(content.length);
  const frames = Buffer.concat([frame(random, content.subarray(0, at)), frame(random, content.subarray(at))]);
  return Buffer.concat([head, random.chance(0.3) ? damage(random, frames, head) : frames]);
}
