import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { requireOfSdk } from './packet-ids.ts';
import { transportFor } from './sdk-transport.ts';

type Packets = {
  writeToStream(packet: object, stream: PassThrough): boolean;
};

test('the SDK’s MQTT client writes packet ids without keeping a buffer for each that there can be', async () => {
  transportFor('mqtt', { onMade() {} });
  const { writeToStream } = requireOfSdk('mqtt-packet') as Packets;
  const stream = new PassThrough();
  writeToStream({ cmd: 'puback', messageId: 0x1234 }, stream);
  stream.end();
  assert.deepEqual(await buffer(stream), Buffer.from([0x40, 2, 0x12, 0x34]));
  const { cache } = requireOfSdk('mqtt-packet/numbers') as { cache: object };
  assert.deepEqual(Object.keys(cache), []);
});
