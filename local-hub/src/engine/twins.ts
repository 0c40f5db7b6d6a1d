/**
 * Device twins: merge, versions, conditions, limits, and notifications to the device. Every change is durable before its
 * promise resolves.
 */
import type { JsonObject, Twin } from './twin.ts';

export type TwinUpdate = { tags?: unknown; desired?: unknown };
export type TwinUpdateOptions = {
  /** Etag with or without quotes, `*`, or undefined for no condition. */
  ifMatch?: string | undefined;
  /** True replaces the given parts (`PUT`), false merges them (`PATCH`). */
  replace: boolean;
};

export type Twins = {
  /** Throws HubError `DeviceNotFound`. */
  get(deviceId: string): Twin;
  /** What the device sees: both with `$version`, no metadata, no tags. Throws `DeviceNotFound`. */
  deviceView(deviceId: string): { desired: JsonObject; reported: JsonObject };
  /** Merges; null removes. Resolves to the new reported `$version`. Throws `ArgumentInvalid`, `DeviceNotFound`. */
  patchReported(deviceId: string, patch: unknown): Promise<number>;
  /** Throws `ArgumentInvalid`, `PreconditionFailed`, `DeviceNotFound`. */
  update(deviceId: string, update: TwinUpdate, options: TwinUpdateOptions): Promise<Twin>;
  /** Calls back with each durable change of desired as a merge patch with `$version`. Returns the way to stop. */
  onDesired(deviceId: string, listener: (patch: JsonObject) => void): () => void;
  /** Remembers the IoT Plug and Play model that a device announced when it connected. */
  setModelId(deviceId: string, modelId: string): Promise<void>;
};
