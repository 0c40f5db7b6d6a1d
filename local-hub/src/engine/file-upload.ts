/**
 * File upload: a device asks for a short-lived SAS to one blob, uploads by itself, and tells the hub, which tells the
 * service (devguide "Upload files with IoT Hub").
 */

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

/** The JSON that Azure sends to receivers of file notifications. */
export type FileNotification = {
  deviceId: string;
  blobUri: string;
  blobName: string;
  lastUpdatedTime: string;
  blobSizeInBytes: number;
  enqueuedTimeUtc: string;
};

export type FileUpload = {
  /** Throws HubError `ArgumentInvalid`, `DeviceNotFound`, `Throttled` (more than 10 open uploads), and says so when no storage is configured. */
  begin(deviceId: string, blobName: string): Promise<UploadTicket>;
  /** Resolves when the notification is durable. Throws `ArgumentInvalid` for an unknown correlation id. */
  complete(deviceId: string, outcome: UploadOutcome): Promise<void>;
};
