/**
 * The identity registry: which devices exist, with which credentials. Every change is durable before its promise resolves.
 */
import type { DeviceConnectivity, DeviceIdentity, DeviceRecord, DeviceSpec } from './identity.ts';

/** One operation of a bulk request, with the REST API's names (`POST /devices`). */
export type BulkMode =
  | 'create'
  | 'update'
  | 'updateIfMatchETag'
  | 'createOrUpdate'
  | 'createOrUpdateIfMatchETag'
  | 'delete'
  | 'deleteIfMatchETag';
export type BulkOperation = { mode: BulkMode; device: DeviceSpec; etag?: string | undefined };

/** One refused operation of a bulk request, with the REST API's names. */
export type BulkError = { deviceId: string; errorCode: string; errorStatus: string };
export type BulkResult = { isSuccessful: boolean; errors: BulkError[]; warnings: [] };

export type RegistryStatistics = {
  totalDeviceCount: number;
  enabledDeviceCount: number;
  disabledDeviceCount: number;
};

export type RegistryChange =
  | { kind: 'created' | 'updated'; device: DeviceRecord }
  | { kind: 'disabled' | 'deleted'; device: DeviceRecord };

/**
 * `ifMatch` is an etag with or without quotes, `*` for "whatever it is", or undefined for no condition; a mismatch is
 * HubError `PreconditionFailed`.
 */
export type Registry = {
  /** The device as the REST API shows it, or undefined. */
  get(deviceId: string): DeviceIdentity | undefined;
  /** The stored part only, without copying: for hot paths. Do not change it. */
  record(deviceId: string): DeviceRecord | undefined;
  has(deviceId: string): boolean;
  /** As `get`; throws HubError `DeviceNotFound`. */
  require(deviceId: string): DeviceIdentity;
  /** Throws `DeviceAlreadyExists`, `ArgumentInvalid`, `TooManyDevices`. Missing keys are generated. */
  create(spec: DeviceSpec): Promise<DeviceIdentity>;
  /** Throws `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid`. Missing keys are kept. */
  update(spec: DeviceSpec, ifMatch?: string): Promise<DeviceIdentity>;
  /** Removes the device with its twin. Throws `DeviceNotFound`, `PreconditionFailed`. */
  remove(deviceId: string, ifMatch?: string): Promise<void>;
  /** Up to `top` devices (1 to 1000, default 1000), by id. */
  list(top?: number): DeviceIdentity[];
  /** All records, for queries. */
  records(): Iterable<DeviceRecord>;
  /** Up to 100 operations; each succeeds or fails by itself. Throws `ArgumentInvalid` for an empty or longer list. */
  bulk(operations: readonly BulkOperation[]): Promise<BulkResult>;
  statistics(): RegistryStatistics;
  /** Calls back after each durable change. Returns the way to stop. */
  onChange(listener: (change: RegistryChange) => void): () => void;
  /** Presence tells here who is connected; kept in memory only. */
  noteConnectivity(deviceId: string, change: Partial<DeviceConnectivity>): void;
};
