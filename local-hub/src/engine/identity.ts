/**
 * A device identity, in the words and the JSON shape of IoT Hub's REST API (api-version 2021-04-12, "Device").
 */

export type DeviceStatus = 'enabled' | 'disabled';
export type AuthenticationType = 'sas' | 'selfSigned' | 'certificateAuthority' | 'none';

/** Base64 keys of 16 to 64 bytes; null when the device does not authenticate with SAS. */
export type SymmetricKeys = { primaryKey: string | null; secondaryKey: string | null };

/** Hexadecimal SHA-1 or SHA-256 digests of the DER certificate; null when unused. */
export type Thumbprints = { primaryThumbprint: string | null; secondaryThumbprint: string | null };

export type DeviceAuthentication = {
  symmetricKey: SymmetricKeys;
  x509Thumbprint: Thumbprints;
  type: AuthenticationType;
};

/** What is stored of a device. */
export type DeviceRecord = {
  deviceId: string;
  /** New at each creation, so that a deleted and recreated device is told from its predecessor. */
  generationId: string;
  /** Changes with each change of the identity; without quotes. */
  etag: string;
  status: DeviceStatus;
  statusReason: string | null;
  /** RFC 3339; `0001-01-01T00:00:00Z` when the status was never changed. */
  statusUpdatedTime: string;
  authentication: DeviceAuthentication;
  capabilities: { iotEdge: boolean };
};

/** What only a running hub knows of a device. Times are RFC 3339, `0001-01-01T00:00:00Z` when unknown. */
export type DeviceConnectivity = {
  connectionState: 'Connected' | 'Disconnected';
  connectionStateUpdatedTime: string;
  lastActivityTime: string;
  cloudToDeviceMessageCount: number;
};

/** A device as the REST API shows it. */
export type DeviceIdentity = DeviceRecord & DeviceConnectivity;

/** What a caller may say when creating or updating a device; everything else is ignored, as IoT Hub does. */
export type DeviceSpec = {
  deviceId: string;
  status?: DeviceStatus | null | undefined;
  statusReason?: string | null | undefined;
  authentication?:
    | {
        type?: AuthenticationType | null | undefined;
        symmetricKey?: Partial<SymmetricKeys> | null | undefined;
        x509Thumbprint?: Partial<Thumbprints> | null | undefined;
      }
    | null
    | undefined;
  capabilities?: { iotEdge?: boolean | undefined } | null | undefined;
};

/** IoT Hub's way of writing "never". */
export const neverTime = '0001-01-01T00:00:00Z';
