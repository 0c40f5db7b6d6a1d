/**
 * A device twin in the JSON shape of IoT Hub's REST API (devguide "Understand and use device twins").
 */
import type { AuthenticationType, DeviceStatus, Thumbprints } from './identity.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** What is stored of a twin. `desiredMetadata` and `reportedMetadata` mirror the keys with `$lastUpdated`. */
export type TwinRecord = {
  /** Counts every change of tags, desired and reported. */
  version: number;
  /** Counts changes of tags and desired: what `etag` is made of. */
  serviceVersion: number;
  tags: JsonObject;
  desired: JsonObject;
  desiredVersion: number;
  desiredMetadata: JsonObject;
  reported: JsonObject;
  reportedVersion: number;
  reportedMetadata: JsonObject;
  modelId: string;
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
