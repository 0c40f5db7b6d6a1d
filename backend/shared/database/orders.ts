/** Orders to the firmware updater, written in the transaction of what they follow from. */
import { randomUUID } from 'node:crypto';
import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type CloudToDevice, CloudToDeviceSchema } from '@iotdh/proto/bus/v1';
import { Binary, type ClientSession, Long } from 'mongodb';
import type { Collections, OrderDocument } from './collections.ts';

export type NewOrder = {
  deviceId: string;
  kind: OrderDocument['kind'];
  /** Empty: it concerns none. */
  assignmentId: string;
  /** What the device is sent. Null: nothing; only the twin is changed, or the queue purged. */
  payload: CloudToDevice['payload'] | null;
  /** What the desired twin's "assignment" becomes; null clears it; absent: it stays as it is. */
  pointer?: JsonObject | null;
  /** A traceparent of W3C Trace Context. Empty: none. */
  traceParent: string;
  /** Not carried out before. Default: `now`. */
  dueTime?: Date;
  now: Date;
};

/**
 * Appends an order with the device's next sequence; orders to one device are carried out in that order. Throws when the
 * device does not exist.
 */
export async function appendOrder(
  session: ClientSession,
  collections: Pick<Collections, 'devices' | 'orders'>,
  order: NewOrder,
): Promise<OrderDocument> {
  const { deviceId, kind, assignmentId, payload, pointer, traceParent, now, dueTime = now } = order;
  const device = await collections.devices.findOneAndUpdate(
    { _id: deviceId },
    { $inc: { commandSequence: Long.ONE } },
    { returnDocument: 'after', projection: { commandSequence: 1 }, session },
  );
  if (device === null) throw new Error(`there is no device ${JSON.stringify(deviceId)} to give an order to`);
  const messageId = randomUUID();
  const sequence = Long.fromValue(device.commandSequence);
  const body =
    payload === null
      ? new Uint8Array()
      : toBinary(
          CloudToDeviceSchema,
          create(CloudToDeviceSchema, {
            version: 1,
            sequence: sequence.toBigInt(),
            messageId,
            time: timestampFromDate(now),
            traceParent,
            payload,
          }),
        );
  const document: OrderDocument = {
    _id: messageId,
    deviceId,
    sequence,
    kind,
    assignmentId,
    body: new Binary(body),
    ...(pointer !== undefined && { pointer }),
    state: 'due',
    dueTime,
    attempts: 0,
    lease: null,
    lastError: '',
    expireTime: null,
    traceParent,
  };
  await collections.orders.insertOne(document, { session });
  return document;
}
