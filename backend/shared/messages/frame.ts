/** Frames and what else goes to a device, as bytes; and how many bytes of an object a frame carries. */
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type CloudToDevice, CloudToDeviceSchema } from '@iotdh/proto/bus/v1';

/**
 * Bytes of an object in each frame. The largest that the contract has, 60 KiB, would count 16 units of 4 KiB with its envelope,
 * of which the last is nearly empty; 512 bytes less make it 15, so that a day's quota carries 6 % more.
 */
export const frameSize = 61_440 - 512;

/** The whole body of a message to a device. `sequence`: of a command; frames and refusals have none. */
export function cloudToDeviceBytes(message: {
  messageId: string;
  nowMs: number;
  traceParent: string;
  payload: CloudToDevice['payload'];
  sequence?: bigint;
}): Uint8Array<ArrayBuffer> {
  const { messageId, nowMs, traceParent, payload, sequence = 0n } = message;
  const time = timestampFromMs(nowMs);
  return toBinary(
    CloudToDeviceSchema,
    create(CloudToDeviceSchema, { version: 1, sequence, messageId, time, traceParent, payload }),
  );
}

export function framePayload(frame: {
  transferId: string;
  objectDigest: Uint8Array<ArrayBuffer>;
  offset: number;
  data: Uint8Array<ArrayBuffer>;
}): CloudToDevice['payload'] {
  const { offset, ...rest } = frame;
  return { case: 'frame', value: { $typeName: 'iotdh.bus.v1.Frame', ...rest, offset: BigInt(offset) } };
}
