/** Asks a device for logs that it has kept, and says how far that has come. */
import { create, fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type CollectLogs, CollectLogsSchema } from '@iotdh/proto/bus/v1';
import { type LogCollection, LogCollectionSchema, LogCollectionState } from '@iotdh/proto/fleet/v1';
import type { LogCollectionDocument } from '../../../shared/database/collections.ts';
import { appendOrder } from '../../../shared/database/orders.ts';
import { contentDigest } from '../content-digest.ts';
import { deviceNamed } from '../devices/find.ts';
import { type Caller, commit, type Fleet, isDuplicate } from '../fleet.ts';
import { refuse } from '../refusal.ts';

const states = {
  requested: LogCollectionState.REQUESTED,
  arriving: LogCollectionState.ARRIVING,
  complete: LogCollectionState.COMPLETE,
} as const;

const requestOf = ({ request }: LogCollectionDocument): CollectLogs =>
  fromJson(CollectLogsSchema, request, { ignoreUnknownFields: true });

export function collectionMessage(document: LogCollectionDocument): LogCollection {
  return create(LogCollectionSchema, {
    deviceId: document.deviceId,
    request: requestOf(document),
    state: states[document.state],
    entries: BigInt(Number(document.entries)),
    createTime: timestampFromDate(document.createTime),
  });
}

/** Refuses with `not_found`. */
export async function collectionNamed(fleet: Fleet, collectionId: string): Promise<LogCollectionDocument> {
  const found = await fleet.database.collections.logCollections.findOne({ _id: collectionId });
  return found ?? refuse({ kind: 'not_found', resource: 'log_collection', id: collectionId });
}

export async function collectLogs(
  fleet: Fleet,
  deviceId: string,
  request: CollectLogs,
  caller: Caller,
): Promise<LogCollectionDocument> {
  const { logCollections, devices, orders } = fleet.database.collections;
  const made = await alreadyMade(fleet, deviceId, request);
  if (made !== null) return made;
  try {
    return await commit(fleet, async (session) => {
      const device = await deviceNamed(fleet, deviceId, session);
      if (device.retireTime !== null) refuse({ kind: 'device_retired', deviceId });
      const now = new Date(fleet.clock.now());
      const collection: LogCollectionDocument = {
        _id: request.collectionId,
        deviceId,
        request: toJson(CollectLogsSchema, request) as JsonObject,
        state: 'requested',
        entries: 0,
        createTime: now,
      };
      await logCollections.insertOne(collection, { session });
      await appendOrder(
        session,
        { devices, orders },
        {
          deviceId,
          kind: 'collect_logs',
          assignmentId: '',
          payload: { case: 'collectLogs', value: request },
          traceParent: caller.traceParent,
          now,
        },
      );
      return collection;
    });
  } catch (error) {
    const faster = isDuplicate(error) ? await alreadyMade(fleet, deviceId, request) : null;
    if (faster === null) throw error;
    return faster;
  }
}

/** The collection that this very request made before. Refuses when the id is another's. */
async function alreadyMade(
  fleet: Fleet,
  deviceId: string,
  request: CollectLogs,
): Promise<LogCollectionDocument | null> {
  const _id = request.collectionId;
  const found = await fleet.database.collections.logCollections.findOne({ _id });
  if (found === null) return null;
  const isSame =
    found.deviceId === deviceId &&
    contentDigest(CollectLogsSchema, requestOf(found)) === contentDigest(CollectLogsSchema, request);
  return isSame ? found : refuse({ kind: 'conflict', resource: 'log_collection', id: _id });
}
