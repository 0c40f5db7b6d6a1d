/** The messages that answer a request for frames. They carry no sequence: any replica sends them, in any order. */
import { randomUUID } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { TransferRefusal } from '@iotdh/proto/bus/v1';
import { cloudToDeviceBytes, type Envelope, frameBytes } from '../../../shared/messages/frame.ts';
import type { C2dMessage } from '../sender/c2d-message.ts';

export type Answered = {
  deviceId: string;
  transferId: string;
  objectDigest: Uint8Array<ArrayBuffer>;
  /** The device's trace, which the answer belongs to. Empty: none. */
  traceParent: string;
};

/** How long an answer may wait in the hub, in ms: a device that is away asks again, and its queue has only 50 places. */
const lifetimeMs = 60_000;

function messageOf(
  { deviceId, traceParent }: Answered,
  nowMs: number,
  bodyOf: (envelope: Envelope) => Uint8Array<ArrayBuffer>,
): C2dMessage {
  const messageId = randomUUID();
  return { deviceId, messageId, body: bodyOf({ messageId, nowMs, traceParent }), lifetimeMs };
}

export function frameMessage(
  to: Answered,
  frame: { offset: number; data: Uint8Array },
  nowMs: number,
): C2dMessage {
  const { transferId, objectDigest } = to;
  return messageOf(to, nowMs, (envelope) => frameBytes(envelope, { transferId, objectDigest, ...frame }));
}

/** `retryMs`: when the device may ask again. Undefined: never. */
export function refusalMessage(
  to: Answered,
  refusal: TransferRefusal,
  retryMs: number | undefined,
  nowMs: number,
): C2dMessage {
  const { transferId, objectDigest } = to;
  const retry = retryMs === undefined ? {} : { retryTime: timestampFromMs(retryMs) };
  const value = {
    $typeName: 'iotdh.bus.v1.TransferRefused' as const,
    transferId,
    objectDigest,
    refusal,
    ...retry,
  };
  const payload = { case: 'transferRefused', value } as const;
  return messageOf(to, nowMs, (envelope) => cloudToDeviceBytes({ ...envelope, payload }));
}
