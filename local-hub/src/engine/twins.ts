/**
 * Device twins: merge, versions, conditions, limits, and notifications to the device. Every change is durable before its
 * promise resolves.
 */
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { openCollection } from './collection.ts';
import { HubError } from './error.ts';
import { checkIfMatch, versionEtag } from './etag.ts';
import type { DeviceIdentity } from './identity.ts';
import { deviceNotFound, type Registry } from './registry.ts';
import type { Throttles } from './throttles.ts';
import { emptyTwin, type JsonObject, type Twin, type TwinRecord, type TwinSection } from './twin.ts';
import { checkPatch, checkSize, sizeOf } from './twin-limits.ts';
import { differenceTo, merge, mergeSection, replaceSection } from './twin-merge.ts';

/** Undefined or null leaves a part as it is. */
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
  /** As `get`, without copying the sections: for queries. Do not change it. */
  peek(device: DeviceIdentity): Twin;
  /** What the device sees: both with `$version`, no metadata, no tags. Throws `DeviceNotFound`. */
  deviceView(deviceId: string): { desired: JsonObject; reported: JsonObject };
  /**
   * Merges; null removes. Resolves to the new reported `$version`. With `ifVersion` the current one must be that. Throws
   * `ArgumentInvalid`, `DeviceNotFound`, `PreconditionFailed`, `Throttled`, `QuotaExceeded`.
   */
  patchReported(deviceId: string, patch: unknown, ifVersion?: number): Promise<number>;
  /** Throws `ArgumentInvalid`, `PreconditionFailed`, `DeviceNotFound`, `Throttled`, `QuotaExceeded`. */
  update(deviceId: string, update: TwinUpdate, options: TwinUpdateOptions): Promise<Twin>;
  /** Calls back with each durable change of desired as a merge patch with `$version`. Returns the way to stop. */
  onDesired(deviceId: string, listener: (patch: JsonObject) => void): () => void;
  /** Remembers the IoT Plug and Play model that a device announced when it connected; no throttle applies. */
  setModelId(deviceId: string, modelId: string): Promise<void>;
};

export type TwinsOptions = {
  store: Pick<Store, 'documents'>;
  registry: Pick<Registry, 'get' | 'has' | 'onRemove'>;
  throttles: Pick<Throttles, 'take' | 'meter'>;
  clock: Pick<Clock, 'now'>;
};

const maxModelIdLength = 2048;

/** Opens the twins with what they held before. */
export function openTwins({ store, registry, throttles, clock }: TwinsOptions): Twins {
  const twins = openCollection<TwinRecord>(store.documents, 'twin');
  const listeners = new Map<string, Set<(patch: JsonObject) => void>>();
  registry.onRemove((deviceId) => twins.remove(deviceId));

  function stored(deviceId: string): TwinRecord {
    if (!registry.has(deviceId)) throw deviceNotFound(deviceId);
    return twins.get(deviceId) ?? emptyTwin;
  }

  const withMetadata = ({ value, metadata, version }: TwinSection): JsonObject => ({
    ...value,
    $metadata: metadata,
    $version: version,
  });

  function shown(device: DeviceIdentity, record: TwinRecord): Twin {
    return {
      deviceId: device.deviceId,
      etag: versionEtag(record.serviceVersion),
      deviceEtag: device.etag,
      status: device.status,
      ...(device.statusReason !== null && { statusReason: device.statusReason }),
      statusUpdateTime: device.statusUpdatedTime,
      connectionState: device.connectionState,
      lastActivityTime: device.lastActivityTime,
      cloudToDeviceMessageCount: device.cloudToDeviceMessageCount,
      authenticationType: device.authentication.type,
      x509Thumbprint: device.authentication.x509Thumbprint,
      modelId: record.modelId,
      version: record.version,
      tags: record.tags,
      properties: { desired: withMetadata(record.desired), reported: withMetadata(record.reported) },
      capabilities: device.capabilities,
    };
  }

  function get(deviceId: string): Twin {
    const device = registry.get(deviceId);
    if (device === undefined) throw deviceNotFound(deviceId);
    return structuredClone(shown(device, stored(deviceId)));
  }

  async function admit(deviceId: string, bytes: number): Promise<void> {
    await throttles.take('twinUpdate', 1, deviceId);
    throttles.meter(bytes, 'twin');
  }

  function tell(deviceId: string, patch: JsonObject, version: number): void {
    for (const listener of listeners.get(deviceId) ?? [])
      listener({ ...structuredClone(patch), $version: version });
  }

  return {
    get,
    peek: (device) => shown(device, twins.get(device.deviceId) ?? emptyTwin),
    deviceView(deviceId) {
      const { desired, reported } = stored(deviceId);
      return structuredClone({
        desired: { ...desired.value, $version: desired.version },
        reported: { ...reported.value, $version: reported.version },
      });
    },

    async patchReported(deviceId, input, ifVersion) {
      stored(deviceId);
      const patch = checkPatch('reported', input);
      await admit(deviceId, sizeOf(patch));
      const current = stored(deviceId);
      if (ifVersion !== undefined && ifVersion !== current.reported.version) {
        throw new HubError(
          'PreconditionFailed',
          `The reported properties of device "${deviceId}" have version ${current.reported.version}, not ${ifVersion}. Read the twin again, and repeat the change`,
        );
      }
      const reported = mergeSection(current.reported, patch, new Date(clock.now()).toISOString(), false);
      checkSize('reported', reported.value);
      await twins.put(deviceId, { ...current, reported, version: current.version + 1 });
      return reported.version;
    },

    async update(deviceId, update, { ifMatch, replace }) {
      stored(deviceId);
      const tagsPatch = update.tags == null ? undefined : checkPatch('tags', update.tags);
      const desiredPatch = update.desired == null ? undefined : checkPatch('desired', update.desired);
      await admit(deviceId, sizeOf({ tags: tagsPatch ?? {}, desired: desiredPatch ?? {} }));
      const current = stored(deviceId);
      checkIfMatch(ifMatch, versionEtag(current.serviceVersion), `The twin of device "${deviceId}"`);
      const now = new Date(clock.now()).toISOString();
      const tags = tagsPatch === undefined ? current.tags : merge(replace ? {} : current.tags, tagsPatch);
      const change = replace ? replaceSection : mergeSection;
      const desired =
        desiredPatch === undefined ? current.desired : change(current.desired, desiredPatch, now, true);
      checkSize('tags', tags);
      checkSize('desired', desired.value);
      const { version, serviceVersion } = current;
      const record = { ...current, tags, desired, version: version + 1, serviceVersion: serviceVersion + 1 };
      await twins.put(deviceId, record);
      if (desiredPatch !== undefined) {
        const notified = replace ? differenceTo(current.desired.value, desired.value) : desiredPatch;
        tell(deviceId, notified, desired.version);
      }
      return get(deviceId);
    },

    onDesired(deviceId, listener) {
      const own = listeners.get(deviceId) ?? new Set();
      listeners.set(deviceId, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(deviceId) === own) listeners.delete(deviceId);
      };
    },

    async setModelId(deviceId, modelId) {
      const current = stored(deviceId);
      if (current.modelId === modelId || modelId.length > maxModelIdLength) return;
      await twins.put(deviceId, { ...current, modelId, version: current.version + 1 });
    },
  };
}
