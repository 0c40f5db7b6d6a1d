/** A device on Microsoft's SDK that speaks the contract, for tests: it asks, and keeps what comes. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CloudToDevice,
  CloudToDeviceSchema,
  type DeviceToCloud,
  DeviceToCloudSchema,
  type Frame,
  FrameRequestSchema,
} from '@iotdh/proto/bus/v1';
import type { testHub } from '../../../shared/testing/test-hub.ts';

/** What came, and a way to wait for it. */
export type Device = {
  readonly received: readonly CloudToDevice[];
  /** The first message of this kind, past or to come, that fits. */
  find<K extends CloudToDevice['payload']['case']>(
    kind: K,
    fits?: (message: CloudToDevice) => boolean,
  ): Promise<Extract<CloudToDevice['payload'], { case: K }>>;
  /** Resolves once the test holds for everything received so far; checked after each message. */
  until(holds: (received: readonly CloudToDevice[]) => boolean): Promise<void>;
  send(payload: DeviceToCloud['payload']): Promise<void>;
  /** Asks for frames of an object: from `first`, `count` of them. */
  ask(request: FrameAsk): Promise<void>;
  /** Within half a second, whatever the SDK does. */
  close(): Promise<void>;
};

export type FrameAsk = {
  transferId: string;
  object: string;
  frameSize: number;
  first: number;
  count: number;
  receivedBytes?: number;
};

const require = createRequire(import.meta.url);

export async function openDevice(
  hub: Awaited<ReturnType<typeof testHub>>,
  deviceId: string,
): Promise<Device> {
  // biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
  const { Client, Message } = require('azure-iot-device') as typeof import('azure-iot-device');
  // biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
  const { Mqtt } = require('azure-iot-device-mqtt') as typeof import('azure-iot-device-mqtt');
  const client = Client.fromConnectionString(await hub.deviceConnectionString(deviceId), Mqtt);
  await client.setOptions({ ca: hub.caPem });
  client.on('error', () => {});
  await client.open();
  const received: CloudToDevice[] = [];
  const checks = new Set<() => void>();
  client.on('message', (message) => {
    client.complete(message, () => {});
    received.push(fromBinary(CloudToDeviceSchema, message.getBytes() as Uint8Array));
    for (const check of [...checks]) check();
  });
  const journalId = randomUUID();
  let sequence = 0n;

  function until(holds: (received: readonly CloudToDevice[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds(received)) return;
        checks.delete(check);
        resolve();
      };
      checks.add(check);
      check();
    });
  }

  async function send(payload: DeviceToCloud['payload']): Promise<void> {
    sequence += 1n;
    const messageId = randomUUID();
    const time = timestampFromMs(Date.now());
    const message = create(DeviceToCloudSchema, {
      version: 1,
      journalId,
      sequence,
      messageId,
      time,
      payload,
    });
    await client.sendEvent(new Message(Buffer.from(toBinary(DeviceToCloudSchema, message))));
  }

  return {
    received,
    until,
    send,
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 500);
      client.close().then(
        () => resolve(),
        () => resolve(),
      );
      await promise;
      clearTimeout(timer);
    },
    async find(kind, fits = () => true) {
      let found: CloudToDevice | undefined;
      await until((all) => {
        found = all.find((message) => message.payload.case === kind && fits(message));
        return found !== undefined;
      });
      return found?.payload as never;
    },
    ask({ transferId, object, frameSize, first, count, receivedBytes = 0 }) {
      const value = create(FrameRequestSchema, {
        transferId,
        objectDigest: Buffer.from(object, 'hex'),
        frameSize,
        missing: { case: 'ranges', value: { ranges: [{ first: BigInt(first), count }] } },
        window: Math.min(count, 32),
        receivedBytes: BigInt(receivedBytes),
      });
      return send({ case: 'frameRequest', value });
    },
  };
}

/** The frames among what came, by their offset; of one object if it is named. */
export function framesIn(received: readonly CloudToDevice[], object?: string): Map<number, Frame> {
  const frames = new Map<number, Frame>();
  for (const { payload } of received) {
    if (payload.case !== 'frame') continue;
    if (object !== undefined && Buffer.from(payload.value.objectDigest).toString('hex') !== object) continue;
    frames.set(Number(payload.value.offset), payload.value);
  }
  return frames;
}
