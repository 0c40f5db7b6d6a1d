/** Frames and what else goes to a device, as bytes; and how many bytes of an object a frame carries. */
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type CloudToDevice, CloudToDeviceSchema, FrameSchema } from '@iotdh/proto/bus/v1';

/**
 * Bytes of an object in each frame. The largest that the contract has, 60 KiB, would count 16 units of 4 KiB with its envelope,
 * of which the last is nearly empty; 512 bytes less make it 15, so that a day's quota carries 6 % more.
 */
export const frameSize = 61_440 - 512;

/** What is around a payload. `sequence`: of a command; frames and refusals have none. */
export type Envelope = { messageId: string; nowMs: number; traceParent: string; sequence?: bigint };

/** The whole body of a message to a device. */
export function cloudToDeviceBytes(
  envelope: Envelope & { payload: CloudToDevice['payload'] },
): Uint8Array<ArrayBuffer> {
  const { messageId, nowMs, traceParent, payload, sequence = 0n } = envelope;
  const time = timestampFromMs(nowMs);
  return toBinary(
    CloudToDeviceSchema,
    create(CloudToDeviceSchema, { version: 1, sequence, messageId, time, traceParent, payload }),
  );
}

const { number: frameField } = CloudToDeviceSchema.field.frame;
const { number: dataField } = FrameSchema.field.data;

/**
 * The whole body of a message with a frame, as `cloudToDeviceBytes` would make it. The encoder would write the data into memory
 * that it doubles as it goes, and copy it out again; here it is copied once, to its place behind the rest.
 */
export function frameBytes(
  envelope: Envelope,
  frame: { transferId: string; objectDigest: Uint8Array<ArrayBuffer>; offset: number; data: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const { transferId, objectDigest, offset, data } = frame;
  const withoutData = toBinary(
    FrameSchema,
    create(FrameSchema, { transferId, objectDigest, offset: BigInt(offset) }),
  );
  const beforeData = new BinaryWriter()
    .raw(withoutData)
    .tag(dataField, WireType.LengthDelimited)
    .uint32(data.length)
    .finish();
  const head = new BinaryWriter()
    .raw(cloudToDeviceBytes({ ...envelope, payload: { case: undefined } }))
    .tag(frameField, WireType.LengthDelimited)
    .uint32(beforeData.length + data.length)
    .raw(beforeData)
    .finish();
  // Memory of its own, which can be handed to another thread, and which need not be cleared first.
  const body = Buffer.allocUnsafeSlow(head.length + data.length);
  body.set(head);
  body.set(data, head.length);
  return body;
}
