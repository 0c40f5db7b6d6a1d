/**
 * A device twin in the JSON shape of IoT Hub's REST API (devguide "Understand and use device twins").
 */
import { type AuthenticationType, type DeviceStatus, neverTime, type Thumbprints } from './identity.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** Whether a JSON value is an object, and no array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One part of a twin (tags, desired or reported). Treat it as frozen: changes make a new one. */
export type TwinSection = {
  value: JsonObject;
  /** Mirrors the keys of `value`, each with `$lastUpdated` (and `$lastUpdatedVersion` in desired). */
  metadata: JsonObject;
  version: number;
};

/** What is stored of a twin. A device without one has `emptyTwin`. */
export type TwinRecord = {
  /** Counts every change. */
  version: number;
  /** Counts changes by services (tags and desired): what `etag` is made of. */
  serviceVersion: number;
  tags: JsonObject;
  desired: TwinSection;
  reported: TwinSection;
  /** The IoT Plug and Play model that the device announced; empty for none. */
  modelId: string;
};

const emptySection: TwinSection = { value: {}, metadata: { $lastUpdated: neverTime }, version: 1 };

/** The twin of a new device, with the versions that IoT Hub gives it. */
export const emptyTwin: TwinRecord = {
  version: 2,
  serviceVersion: 1,
  tags: {},
  desired: emptySection,
  reported: emptySection,
  modelId: '',
};

/** `GET /twins/{id}`: desired and reported carry `$metadata` and `$version`. */
export type Twin = {
  deviceId: string;
  etag: string;
  deviceEtag: string;
  status: DeviceStatus;
  statusReason?: string;
  statusUpdateTime: string;
  connectionState: 'Connected' | 'Disconnected';
  lastActivityTime: string;
  cloudToDeviceMessageCount: number;
  authenticationType: AuthenticationType;
  x509Thumbprint: Thumbprints;
  modelId: string;
  version: number;
  tags: JsonObject;
  properties: { desired: JsonObject; reported: JsonObject };
  capabilities: { iotEdge: boolean };
};
