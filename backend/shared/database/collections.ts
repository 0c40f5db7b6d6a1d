/**
 * What the backend keeps in MongoDB: one type for each collection. Times are BSON dates by the backend's clock unless a name
 * says otherwise; messages of the contract are kept as ProtoJSON, so that views and queries can look into them; digests are
 * lower-case hex; enum values are their names in lower case, never their numbers.
 */
import type { JsonObject } from '@bufbuild/protobuf';
import type { Binary, Collection, Db, Long } from 'mongodb';
import type { Account } from '../quota/account.ts';

/** `_id` is the device id. */
export type DeviceDocument = {
  _id: string;
  displayName: string;
  site: string;
  labels: Record<string, string>;
  connectivity: 'awaited' | 'connected' | 'disconnected';
  lastSeenTime: Date | null;
  /** An iotdh.fleet.v1.DeviceReport. Null: the device has not reported yet. */
  report: JsonObject | null;
  /** The order of what the report says: it is replaced only by a later one of the same journal, or of another journal. */
  reportOrder: { journalId: string; sequence: Long } | null;
  /** Sequence of the last command to the device, which CloudToDevice.sequence continues. */
  commandSequence: Long;
  /** SHA-256 of the enrolment token, never the token. Null: none is open. */
  enrolment: { tokenDigest: string; expireTime: Date } | null;
  createTime: Date;
  retireTime: Date | null;
  retireReason: string;
  revision: Long;
};

/** An iotdh.update.v1.ManifestRef. */
export type ManifestReference = {
  digest: string;
  size: number;
  kind: 'patch' | 'base';
  name: string;
  version: string;
};

/** A bill of materials: the object of its digest. */
export type SbomReference = { digest: string; size: number };

/** `_id` is the pack id. The manifest's bytes are the object of its digest in Blob Storage. */
export type PackDocument = {
  _id: string;
  manifest: ManifestReference;
  title: string;
  summary: string;
  state: 'draft' | 'published' | 'yanked';
  objectBytes: Long;
  createTime: Date;
  publishTime: Date | null;
  yankReason: string;
  /** Its bill of materials, an object too. Null, or absent in packs of before: it was handed in without. */
  sbom?: SbomReference | null;
  /** What it brings, and what a machine must have had before it; absent in packs of before. */
  products?: ProductVersionRecord[];
  mustPassThrough?: ProductVersionRecord[];
};

export type ProductVersionRecord = { product: string; version: string };

/** Signed metadata of TUF, each version once. `_id` is `role/version`. The bytes are the object of the digest in Blob Storage. */
export type MetadataDocument = {
  _id: string;
  role: 'root' | 'targets' | 'snapshot' | 'timestamp';
  version: Long;
  digest: string;
  size: number;
  createTime: Date;
};

/** `_id` is the assignment id. */
export type AssignmentDocument = {
  _id: string;
  deviceId: string;
  packId: string;
  fallbackPackId: string | null;
  manifest: ManifestReference;
  fallback: ManifestReference | null;
  title: string;
  /** Names the transfer in every frame of it. */
  transferId: string;
  /** Bytes in each frame. */
  frameSize: number;
  /** Which carriers the offer names. Absent: it was made before there was a choice. */
  carrierPolicy?: 'auto' | 'bus' | 'https' | 'offline';
  state: 'waiting' | 'in_transit' | 'awaiting_consent' | 'applying' | 'ended';
  stateTime: Date;
  /** True until it ends: a device has at most one assignment that goes on, which a unique index holds. */
  goesOn: boolean;
  /** Set when it is withdrawn; it ends once the device says so, or at once when the device has not answered the offer. */
  cancel: { reason: string; time: Date } | null;
  progress: { receivedBytes: Long; totalBytes: Long } | null;
  /** An iotdh.bus.v1.UpdateResult. */
  result: JsonObject | null;
  notBefore: Date | null;
  notAfter: Date | null;
  createTime: Date;
  creator: string;
  /** The trace that began with the operator's request: a traceparent of W3C Trace Context. */
  traceParent: string;
};

/**
 * An order to the firmware updater, written in the transaction of what it follows from, so that neither is ever without the
 * other. `_id` is the message id of the C2D message. Orders to one device are carried out in the order of their sequence.
 */
export type OrderDocument = {
  _id: string;
  deviceId: string;
  /** CloudToDevice.sequence, from the device's commandSequence. */
  sequence: Long;
  /** `pointer` sends nothing: only the twin changes. */
  kind: 'offer' | 'cancel' | 'collect_logs' | 'configure' | 'purge' | 'pointer';
  /** Empty: it concerns none. */
  assignmentId: string;
  /** An encoded CloudToDevice. Empty: none is sent. */
  body: Binary;
  /** What the desired twin's "assignment" becomes before the message is sent: an AssignmentPointer, null to clear it; absent: as it is. */
  pointer?: JsonObject | null;
  state: 'due' | 'sent' | 'given_up';
  /** Not tried before; later after each failure. */
  dueTime: Date;
  attempts: number;
  /** Whose it is at the moment, and until when. */
  lease: { owner: string; untilTime: Date } | null;
  lastError: string;
  /** Removed by a TTL index once it is sent and this has passed. */
  expireTime: Date | null;
  traceParent: string;
};

/** `_id` is `device/journal/sequence` of the StateChanged. */
export type StateDocument = {
  _id: string;
  deviceId: string;
  journalId: string;
  sequence: Long;
  from: string;
  to: string;
  event: string;
  /** By the device's clock. */
  deviceTime: Date;
  receivedTime: Date;
  /** An iotdh.agent.v1.StateChanged. */
  record: JsonObject;
};

/** `_id` is the message id. `record` is an iotdh.agent.v1.Consent. */
export type ConsentDocument = {
  _id: string;
  deviceId: string;
  receivedTime: Date;
  record: JsonObject;
};

/** `_id` is the message id. `record` is an iotdh.bus.v1.UpdateResult. */
export type UpdateResultDocument = {
  _id: string;
  deviceId: string;
  assignmentId: string;
  receivedTime: Date;
  record: JsonObject;
};

/** `_id` is `message id/index`. Removed after 90 days by a TTL index on `receivedTime`. */
export type LogLineDocument = {
  _id: string;
  deviceId: string;
  /** Empty: nobody asked. */
  collectionId: string;
  /** By the device's clock. */
  time: Date;
  level: number;
  component: string;
  /** An iotdh.agent.v1.LogEntry. */
  record: JsonObject;
  receivedTime: Date;
};

/** `_id` is the collection id. */
export type LogCollectionDocument = {
  _id: string;
  deviceId: string;
  /** An iotdh.bus.v1.CollectLogs. */
  request: JsonObject;
  state: 'requested' | 'arriving' | 'complete';
  entries: number;
  createTime: Date;
};

/** A point of the time series `telemetry`; removed after 30 days. `_id` is `message id/index`, which a time series does not hold unique. */
export type TelemetryDocument = {
  _id: string;
  time: Date;
  source: { deviceId: string; name: string; labels: Record<string, string> };
  value: number;
};

/** Messages that were taken in, by message id, so that none is stored twice where the data itself cannot tell. TTL 8 days. */
export type ReceivedDocument = { _id: string; time: Date };

/** A message that could not be read, kept whole with the reason. `_id` is `partition/sequence number`. */
export type SetAsideDocument = {
  _id: string;
  deviceId: string;
  reason: string;
  body: Binary;
  /** When the hub took it in. */
  enqueuedTime: Date;
  time: Date;
};

/** What happened, for EventService.Watch. `_id` counts without a gap in the order of the commits. TTL 7 days. */
export type EventDocument = {
  _id: Long;
  time: Date;
  deviceId: string;
  topic: 'device' | 'state' | 'assignment' | 'pack' | 'consent';
  /** The `kind` of an iotdh.fleet.v1.FleetEvent, as ProtoJSON of a FleetEvent without cursor and time. */
  event: JsonObject;
};

/** Answers to requests that carried a request id. TTL by `expireTime`. */
export type RequestDocument = {
  _id: string;
  method: string;
  requestDigest: string;
  response: Binary;
  expireTime: Date;
};

/** A certificate that the authentication broker issued. `_id` is its SHA-256 as the registry of IoT Hub has it: upper-case hex. */
export type CertificateDocument = {
  _id: string;
  deviceId: string;
  /** SHA-256 of the enrolment token that it was issued for. Empty: it renewed another one. */
  tokenDigest: string;
  /** SHA-256 of the public key that the signing request holds: the request itself is signed anew, and differently, each time. */
  keyDigest: string;
  /** In DER. */
  certificate: Binary;
  notBefore: Date;
  notAfter: Date;
  issueTime: Date;
};

/** The account of the hub's quota. `revision` counts its changes: who has read an older one may not write. */
export type QuotaDocument = Account & { _id: 'hub'; revision: number };

/** What devices sent on a day, as the listener counted it. `_id` is the day, `YYYY-MM-DD` in UTC. TTL 40 days. */
export type TelemetryUseDocument = { _id: string; messages: number; units: number; time: Date };

export type CounterDocument = { _id: 'events'; value: Long };

/** Every collection, by its name in the database. */
export type Collections = {
  devices: Collection<DeviceDocument>;
  packs: Collection<PackDocument>;
  metadata: Collection<MetadataDocument>;
  assignments: Collection<AssignmentDocument>;
  orders: Collection<OrderDocument>;
  states: Collection<StateDocument>;
  consents: Collection<ConsentDocument>;
  updateResults: Collection<UpdateResultDocument>;
  logLines: Collection<LogLineDocument>;
  logCollections: Collection<LogCollectionDocument>;
  telemetry: Collection<TelemetryDocument>;
  received: Collection<ReceivedDocument>;
  setAside: Collection<SetAsideDocument>;
  events: Collection<EventDocument>;
  requests: Collection<RequestDocument>;
  certificates: Collection<CertificateDocument>;
  counters: Collection<CounterDocument>;
  quota: Collection<QuotaDocument>;
  telemetryUse: Collection<TelemetryUseDocument>;
};

export function collectionsOf(db: Db): Collections {
  return {
    devices: db.collection('devices'),
    packs: db.collection('packs'),
    metadata: db.collection('metadata'),
    assignments: db.collection('assignments'),
    orders: db.collection('orders'),
    states: db.collection('states'),
    consents: db.collection('consents'),
    updateResults: db.collection('updateResults'),
    logLines: db.collection('logLines'),
    logCollections: db.collection('logCollections'),
    telemetry: db.collection('telemetry'),
    received: db.collection('received'),
    setAside: db.collection('setAside'),
    events: db.collection('events'),
    requests: db.collection('requests'),
    certificates: db.collection('certificates'),
    counters: db.collection('counters'),
    quota: db.collection('quota'),
    telemetryUse: db.collection('telemetryUse'),
  };
}
