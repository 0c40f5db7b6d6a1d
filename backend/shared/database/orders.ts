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
  const device = await collections.devices.findOneAndUpdate(
    { _id: order.deviceId },
    { $inc: { commandSequence: Long.ONE } },
    { returnDocument: 'after', projection: { commandSequence: 1 }, session },
  );
  if (device === null) throw noDevice(order.deviceId);
  const document = orderDocument(order, Long.fromValue(device.commandSequence));
  await collections.orders.insertOne(document, { session });
  return document;
}

/** The same for many devices, one order for each, in as many round trips as for one. Throws when a device is named twice. */
export async function appendOrders(
  session: ClientSession,
  collections: Pick<Collections, 'devices' | 'orders'>,
  orders: readonly NewOrder[],
): Promise<OrderDocument[]> {
  const ids = orders.map(({ deviceId }) => deviceId);
  if (ids.length === 0) return [];
  if (new Set(ids).size < ids.length) throw new Error('a batch of orders names a device twice');
  const named = { _id: { $in: ids } };
  await collections.devices.updateMany(named, { $inc: { commandSequence: Long.ONE } }, { session });
  const devices = await collections.devices
    .find(named, { projection: { commandSequence: 1 }, session })
    .toArray();
  const sequences = new Map(devices.map(({ _id, commandSequence }) => [_id, commandSequence]));
  const documents = orders.map((order) => {
    const sequence = sequences.get(order.deviceId);
    if (sequence === undefined) throw noDevice(order.deviceId);
    return orderDocument(order, Long.fromValue(sequence));
  });
  await collections.orders.insertMany(documents, { session });
  return documents;
}

const noDevice = (deviceId: string): Error =>
  new Error(`there is no device ${JSON.stringify(deviceId)} to give an order to`);

function orderDocument(order: NewOrder, sequence: Long): OrderDocument {
  const { deviceId, kind, assignmentId, payload, pointer, traceParent, now, dueTime = now } = order;
  const messageId = randomUUID();
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
  return {
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
}
