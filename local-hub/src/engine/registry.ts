/**
 * The identity registry: which devices exist, with which credentials. Every change is durable before its promise resolves.
 */
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { openCollection } from './collection.ts';
import { checkAuthentication, checkDeviceId, checkStatus } from './device-spec.ts';
import { HubError } from './error.ts';
import { checkIfMatch, randomEtag } from './etag.ts';
import {
  type DeviceConnectivity,
  type DeviceIdentity,
  type DeviceRecord,
  type DeviceSpec,
  neverTime,
} from './identity.ts';

export type RegistryStatistics = {
  totalDeviceCount: number;
  enabledDeviceCount: number;
  disabledDeviceCount: number;
};

/** `disabled` also stands for an update that leaves a device disabled. */
export type RegistryChange = {
  kind: 'created' | 'updated' | 'disabled' | 'deleted';
  device: DeviceRecord;
};

/**
 * `ifMatch` is an etag with or without quotes, `*` for "whatever it is", or undefined for no condition; a mismatch is
 * HubError `PreconditionFailed`.
 */
export type Registry = {
  /** The device as the REST API shows it. */
  get(deviceId: string): DeviceIdentity | undefined;
  /** The stored part only, without copying: for hot paths. Do not change it. */
  record(deviceId: string): DeviceRecord | undefined;
  has(deviceId: string): boolean;
  /** As `get`; throws HubError `DeviceNotFound`. */
  require(deviceId: string): DeviceIdentity;
  /** Throws `DeviceAlreadyExists`, `ArgumentInvalid`, `TooManyDevices`. Missing keys are generated. */
  create(spec: DeviceSpec): Promise<DeviceIdentity>;
  /** What `spec` leaves out stays as it is. Throws `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid`. */
  update(spec: DeviceSpec, ifMatch?: string): Promise<DeviceIdentity>;
  /** Removes the device and all that hangs on it. Throws `DeviceNotFound`, `PreconditionFailed`. */
  remove(deviceId: string, ifMatch?: string): Promise<void>;
  /** Up to `top` devices (1 to 1000, which is the default). */
  list(top?: number): DeviceIdentity[];
  /** All devices in no particular order, without copying: for queries. Do not change them. */
  identities(): Iterable<DeviceIdentity>;
  statistics(): RegistryStatistics;
  /** Calls back after each durable change. Returns the way to stop. */
  onChange(listener: (change: RegistryChange) => void): () => void;
  /** `cascade` queues the writes that remove what hangs on a device; they commit together with the removal. */
  onRemove(cascade: (deviceId: string) => Promise<unknown>): void;
};

export type RegistryOptions = {
  store: Pick<Store, 'documents' | 'atomically'>;
  clock: Pick<Clock, 'now'>;
  /** What the running hub knows of a device. */
  connectivity?: (deviceId: string) => Partial<DeviceConnectivity>;
  /** Default 1,000,000, IoT Hub's maximum; a free hub has 500. */
  maxDevices?: number;
};

const maxListed = 1000;
/** Of .NET's ticks (100 ns since the year 1), in which IoT Hub writes generation ids, at 1970. */
const ticksAt1970 = 621_355_968_000_000_000n;

/** The error for a device that does not exist. */
export function deviceNotFound(deviceId: string): HubError {
  return new HubError(
    'DeviceNotFound',
    `Device "${deviceId.slice(0, 140)}" is not registered. Create it first; ids differ by case`,
  );
}

/** Opens the registry with what it held before. */
export function openRegistry(options: RegistryOptions): Registry {
  const { store, clock, connectivity = () => ({}), maxDevices = 1_000_000 } = options;
  const devices = openCollection<DeviceRecord>(store.documents, 'identity');
  const listeners = new Set<(change: RegistryChange) => void>();
  const cascades: ((deviceId: string) => Promise<unknown>)[] = [];
  let lastGeneration = 0n;

  function nextGeneration(): string {
    const ticks = ticksAt1970 + BigInt(clock.now()) * 10_000n;
    lastGeneration = ticks > lastGeneration ? ticks : lastGeneration + 1n;
    return String(lastGeneration);
  }

  function identityOf(record: DeviceRecord): DeviceIdentity {
    return {
      ...record,
      connectionState: 'Disconnected',
      connectionStateUpdatedTime: neverTime,
      lastActivityTime: neverTime,
      cloudToDeviceMessageCount: 0,
      ...connectivity(record.deviceId),
    };
  }

  const shown = (record: DeviceRecord) => structuredClone(identityOf(record));

  function stored(deviceId: string): DeviceRecord {
    const record = devices.get(deviceId);
    if (record === undefined) throw deviceNotFound(deviceId);
    return record;
  }

  function tell(kind: RegistryChange['kind'], device: DeviceRecord): void {
    for (const listener of listeners) listener({ kind, device });
  }

  return {
    get(deviceId) {
      const record = devices.get(deviceId);
      return record && shown(record);
    },
    record: (deviceId) => devices.get(deviceId),
    has: (deviceId) => devices.has(deviceId),
    require: (deviceId) => shown(stored(deviceId)),

    async create(spec) {
      const { deviceId } = spec;
      checkDeviceId(deviceId);
      if (devices.has(deviceId)) {
        throw new HubError(
          'DeviceAlreadyExists',
          `Device "${deviceId}" is registered already. Update it (If-Match: *), or delete it first`,
        );
      }
      if (devices.size >= maxDevices) {
        throw new HubError(
          'TooManyDevices',
          `The hub has ${maxDevices} devices, its maximum. Delete some first`,
        );
      }
      const { status, reason } = checkStatus(spec);
      const record: DeviceRecord = {
        deviceId,
        generationId: nextGeneration(),
        etag: randomEtag(),
        status: status ?? 'enabled',
        statusReason: reason ?? null,
        statusUpdatedTime: neverTime,
        authentication: checkAuthentication(spec),
        capabilities: { iotEdge: spec.capabilities?.iotEdge === true },
      };
      await devices.put(deviceId, record);
      tell('created', record);
      return shown(record);
    },

    async update(spec, ifMatch) {
      const { deviceId } = spec;
      checkDeviceId(deviceId);
      const current = stored(deviceId);
      checkIfMatch(ifMatch, current.etag, `Device "${deviceId}"`);
      const { status = current.status, reason } = checkStatus(spec);
      const changedStatus = status !== current.status;
      const record: DeviceRecord = {
        ...current,
        etag: randomEtag(),
        status,
        statusReason: reason === undefined ? current.statusReason : reason,
        statusUpdatedTime: changedStatus ? new Date(clock.now()).toISOString() : current.statusUpdatedTime,
        authentication: checkAuthentication(spec, current.authentication),
        capabilities: { iotEdge: spec.capabilities?.iotEdge ?? current.capabilities.iotEdge },
      };
      await devices.put(deviceId, record);
      tell(status === 'disabled' ? 'disabled' : 'updated', record);
      return shown(record);
    },

    async remove(deviceId, ifMatch) {
      const record = stored(deviceId);
      checkIfMatch(ifMatch, record.etag, `Device "${deviceId}"`);
      await store.atomically(() =>
        Promise.all([devices.remove(deviceId), ...cascades.map((cascade) => cascade(deviceId))]),
      );
      tell('deleted', record);
    },

    list(top = maxListed) {
      if (!Number.isInteger(top) || top < 1 || top > maxListed) {
        throw new HubError(
          'ArgumentInvalid',
          `top must be 1 to ${maxListed}, not ${top}. Use a query to read more`,
        );
      }
      return [...devices.values()].slice(0, top).map(shown);
    },
    *identities() {
      for (const record of devices.values()) yield identityOf(record);
    },

    statistics() {
      let disabledDeviceCount = 0;
      for (const record of devices.values()) if (record.status === 'disabled') disabledDeviceCount += 1;
      const totalDeviceCount = devices.size;
      return {
        totalDeviceCount,
        enabledDeviceCount: totalDeviceCount - disabledDeviceCount,
        disabledDeviceCount,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onRemove(cascade) {
      cascades.push(cascade);
    },
  };
}
