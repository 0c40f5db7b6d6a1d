/**
 * File upload: a device asks for a short-lived SAS to one blob, uploads by itself, and tells the hub, which tells the
 * service (devguide "Upload files with IoT Hub").
 */
import { randomBytes } from 'node:crypto';
import type { Log } from '../diagnostics.ts';
import type { Store } from '../store/store.ts';
import type { BlobStorage } from './blob-storage.ts';
import type { Clock } from './clock.ts';
import { openCollection } from './collection.ts';
import { HubError } from './error.ts';
import { deviceNotFound, type Registry } from './registry.ts';
import type { Throttles } from './throttles.ts';

export type UploadTicket = {
  correlationId: string;
  /** As the device SDK wants it: `localhost:10000/devstoreaccount1` or `account.blob.core.windows.net`. */
  hostName: string;
  containerName: string;
  /** `{deviceId}/{name}`. */
  blobName: string;
  /** Begins with `?`. */
  sasToken: string;
};

export type UploadOutcome = {
  correlationId: string;
  isSuccess: boolean;
  statusCode?: number | undefined;
  statusDescription?: string | undefined;
};

/** The JSON that Azure sends to receivers of file notifications. Times are RFC 3339. */
export type FileNotification = {
  deviceId: string;
  blobUri: string;
  blobName: string;
  lastUpdatedTime: string;
  blobSizeInBytes: number;
  enqueuedTimeUtc: string;
};

export type FileUpload = {
  /**
   * Throws HubError `ArgumentInvalid`, `DeviceNotFound`, `Throttled` (also for more than 10 open uploads), `QuotaExceeded`,
   * `StorageUnavailable`, and `NotImplemented` when the hub has no storage account.
   */
  begin(deviceId: string, blobName: string): Promise<UploadTicket>;
  /**
   * Resolves when the notification is durable. Throws `NotFound` for an upload that is not open, `ArgumentInvalid` when a
   * success is claimed but there is no blob, `StorageUnavailable`; after these the upload stays open.
   */
  complete(deviceId: string, outcome: UploadOutcome): Promise<void>;
};

export type FileUploadOptions = {
  store: Pick<Store, 'documents' | 'atomically'>;
  registry: Pick<Registry, 'has' | 'onRemove'>;
  throttles: Pick<Throttles, 'take' | 'meter'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
  /** Undefined when no storage account is configured. */
  storage: BlobStorage | undefined;
  /** Puts a notification into the services' feed; resolves when it is durable. Undefined: notifications are off. */
  notify: ((body: Buffer) => Promise<void>) | undefined;
};

type OpenUpload = { deviceId: string; blobName: string; expiresAtMs: number };

const maxOpenPerDevice = 10;
/** How long a device may take: IoT Hub's default for the SAS of uploads. */
const uploadTtlMs = 3_600_000;
const maxBlobNameLength = 1024;
const correlationIdBytes = 24;

function checkBlobName(deviceId: string, name: unknown): string {
  const valid =
    typeof name === 'string' &&
    name !== '' &&
    deviceId.length + 1 + name.length <= maxBlobNameLength &&
    !/\p{Cc}/u.test(name) &&
    !name.split('/').some((segment) => segment === '' || /^\.+$/.test(segment) || segment.endsWith('.'));
  if (valid) return `${deviceId}/${name}`;
  throw new HubError(
    'ArgumentInvalid',
    `Device "${deviceId}" asked to upload a file with an unusable name. A blob's name has 1 to ${maxBlobNameLength} characters with the device id, no control characters, and path segments that are not empty and do not end with a dot`,
  );
}

/** Opens file upload with the uploads that were under way. */
export function openFileUpload(options: FileUploadOptions): FileUpload {
  const { store, registry, throttles, clock, log, storage, notify } = options;
  const uploads = openCollection<OpenUpload>(store.documents, 'upload');
  const ofDevice = new Map<string, Set<string>>();
  const completing = new Set<string>();

  function remember(correlationId: string, deviceId: string): void {
    ofDevice.set(deviceId, (ofDevice.get(deviceId) ?? new Set()).add(correlationId));
  }
  for (const [correlationId, { deviceId }] of uploads.entries()) remember(correlationId, deviceId);

  async function forget(correlationId: string, deviceId: string): Promise<void> {
    const own = ofDevice.get(deviceId);
    await uploads.remove(correlationId);
    own?.delete(correlationId);
    if (own?.size === 0) ofDevice.delete(deviceId);
  }

  registry.onRemove((deviceId) =>
    Promise.all([...(ofDevice.get(deviceId) ?? [])].map((correlationId) => forget(correlationId, deviceId))),
  );

  function openOf(deviceId: string, correlationId: string): OpenUpload | undefined {
    const upload = uploads.get(correlationId);
    return upload?.deviceId === deviceId && upload.expiresAtMs > clock.now() ? upload : undefined;
  }

  /** The uploads of a device that ran out. Throws when as many as allowed are still open. */
  function checkRoom(deviceId: string): string[] {
    const own = [...(ofDevice.get(deviceId) ?? [])];
    const expired = own.filter((correlationId) => openOf(deviceId, correlationId) === undefined);
    if (own.length - expired.length < maxOpenPerDevice) return expired;
    throw new HubError(
      'Throttled',
      `Device "${deviceId}" has ${maxOpenPerDevice} uploads open, its maximum. Complete one first: notify the hub of success or failure`,
    );
  }

  async function announce(blobs: BlobStorage, correlationId: string, upload: OpenUpload): Promise<void> {
    const { deviceId, blobName } = upload;
    const properties = await blobs.properties(blobName);
    if (properties === undefined) {
      throw new HubError(
        'ArgumentInvalid',
        `Device "${deviceId}" says that it uploaded ${blobName}, but there is no such blob. Upload it, then notify again`,
      );
    }
    const notification: FileNotification = {
      deviceId,
      blobUri: blobs.uriOf(blobName),
      blobName,
      lastUpdatedTime: properties.lastModified,
      blobSizeInBytes: properties.sizeBytes,
      enqueuedTimeUtc: new Date(clock.now()).toISOString(),
    };
    const body = Buffer.from(JSON.stringify(notification));
    await store.atomically(() => Promise.all([forget(correlationId, deviceId), notify?.(body)]));
  }

  return {
    async begin(deviceId, name) {
      if (!registry.has(deviceId)) throw deviceNotFound(deviceId);
      if (storage === undefined) {
        throw new HubError(
          'NotImplemented',
          'File upload is off: the hub has no storage account. Start it with a storage connection string',
        );
      }
      const blobName = checkBlobName(deviceId, name);
      await throttles.take('fileUpload', 1, deviceId);
      throttles.meter(0, 'fileUpload');
      const expired = checkRoom(deviceId);
      const correlationId = randomBytes(correlationIdBytes).toString('base64url');
      const expiresAtMs = clock.now() + uploadTtlMs;
      // Counted before anything is awaited, or many requests at once would all find room.
      remember(correlationId, deviceId);
      const kept = uploads.put(correlationId, { deviceId, blobName, expiresAtMs });
      const forgotten = expired.map((each) => forget(each, deviceId));
      try {
        const [access] = await Promise.all([storage.grant(blobName, expiresAtMs), kept, ...forgotten]);
        return { correlationId, containerName: storage.containerName, blobName, ...access };
      } catch (error) {
        await forget(correlationId, deviceId);
        throw error;
      }
    },

    async complete(deviceId, { correlationId, isSuccess, statusCode, statusDescription }) {
      const upload = openOf(deviceId, correlationId);
      if (upload === undefined || completing.has(correlationId) || storage === undefined) {
        throw new HubError(
          'NotFound',
          `Device "${deviceId}" has no open upload with the correlation id "${correlationId.slice(0, 80)}". It was completed, ran out after an hour, or never began; begin a new one`,
        );
      }
      throttles.meter(0, 'fileUpload');
      completing.add(correlationId);
      try {
        if (isSuccess) await announce(storage, correlationId, upload);
        else await forget(correlationId, deviceId);
      } finally {
        completing.delete(correlationId);
      }
      if (isSuccess) return;
      const why = `${statusCode ?? 'no status'} ${statusDescription ?? ''}`.trim();
      log.warn({ what: `Upload of ${upload.blobName} failed`, deviceId, reason: `the device says: ${why}` });
    },
  };
}
