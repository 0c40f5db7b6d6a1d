/** The indexes, time-to-live limits and the time series of the database, made or completed at every start of a service. */
import { type Db, MongoServerError } from 'mongodb';
import { type Collections, collectionsOf } from './collections.ts';

const day = 86_400;

/** How long each kind of record is kept, s. */
export const kept = {
  logLines: 90 * day,
  telemetry: 30 * day,
  received: 8 * day,
  setAside: 90 * day,
  events: 7 * day,
  telemetryUse: 40 * day,
} as const;

/** Codes of MongoDB: the namespace exists. */
const namespaceExists = 48;

async function createIfMissing(db: Db, name: keyof Collections): Promise<void> {
  const options =
    name === 'telemetry'
      ? {
          timeseries: { timeField: 'time', metaField: 'source', granularity: 'seconds' } as const,
          expireAfterSeconds: kept.telemetry,
        }
      : {};
  try {
    await db.createCollection(name, options);
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== namespaceExists) throw error;
  }
}

/** Makes every collection and index that is missing. Idempotent, and safe when several replicas do it at once. */
export async function ensureIndexes(db: Db): Promise<void> {
  const collections = collectionsOf(db);
  // One after another, here and below: what makes collections or indexes at once waits for itself on some servers.
  for (const name of Object.keys(collections)) await createIfMissing(db, name as keyof Collections);
  const {
    devices,
    packs,
    metadata,
    assignments,
    orders,
    states,
    consents,
    updateResults,
    logLines,
    logCollections,
    telemetry,
    received,
    setAside,
    events,
    requests,
    certificates,
    telemetryUse,
  } = collections;
  const makers = [
    () =>
      devices.createIndexes([
        { key: { 'enrolment.tokenDigest': 1 }, sparse: true },
        { key: { site: 1, _id: 1 } },
        { key: { 'report.snapshot.state': 1, _id: 1 } },
      ]),
    () =>
      packs.createIndexes([
        { key: { 'manifest.digest': 1 }, unique: true },
        // A name and a version mean one manifest.
        { key: { 'manifest.name': 1, 'manifest.version': 1 }, unique: true },
        { key: { createTime: -1, _id: 1 } },
      ]),
    () => metadata.createIndexes([{ key: { role: 1, version: -1 } }, { key: { digest: 1 } }]),
    () =>
      assignments.createIndexes([
        // A device has at most one assignment that goes on.
        {
          key: { deviceId: 1 },
          unique: true,
          partialFilterExpression: { goesOn: true },
          name: 'one_goes_on',
        },
        { key: { deviceId: 1, createTime: -1 } },
        { key: { transferId: 1 }, unique: true },
        { key: { packId: 1, createTime: -1 } },
        { key: { createTime: -1, _id: 1 } },
      ]),
    () =>
      orders.createIndexes([
        { key: { deviceId: 1, sequence: 1 }, unique: true },
        { key: { state: 1, dueTime: 1 } },
        { key: { expireTime: 1 }, expireAfterSeconds: 0 },
      ]),
    () =>
      states.createIndexes([
        { key: { deviceId: 1, receivedTime: -1 } },
        // The audit trail: what was applied.
        { key: { to: 1, receivedTime: -1, _id: -1 } },
      ]),
    () =>
      consents.createIndexes([
        { key: { deviceId: 1, receivedTime: -1 } },
        { key: { receivedTime: -1, _id: -1 } },
      ]),
    () =>
      updateResults.createIndexes([{ key: { assignmentId: 1 } }, { key: { deviceId: 1, receivedTime: -1 } }]),
    () =>
      logLines.createIndexes([
        { key: { deviceId: 1, time: -1, _id: -1 } },
        { key: { collectionId: 1, time: 1 } },
        { key: { receivedTime: 1 }, expireAfterSeconds: kept.logLines },
      ]),
    () => logCollections.createIndexes([{ key: { deviceId: 1, createTime: -1 } }]),
    () => telemetry.createIndexes([{ key: { 'source.deviceId': 1, 'source.name': 1, time: -1 } }]),
    () => received.createIndexes([{ key: { time: 1 }, expireAfterSeconds: kept.received }]),
    () =>
      setAside.createIndexes([
        { key: { deviceId: 1, time: -1 } },
        { key: { time: 1 }, expireAfterSeconds: kept.setAside },
      ]),
    () =>
      events.createIndexes([
        { key: { time: 1 }, expireAfterSeconds: kept.events },
        { key: { deviceId: 1, _id: 1 } },
      ]),
    () => telemetryUse.createIndexes([{ key: { time: 1 }, expireAfterSeconds: kept.telemetryUse }]),
    () => certificates.createIndexes([{ key: { tokenDigest: 1 } }, { key: { deviceId: 1, keyDigest: 1 } }]),
    () => requests.createIndexes([{ key: { expireTime: 1 }, expireAfterSeconds: 0 }]),
  ];
  for (const make of makers) await make();
}
