/**
 * What a caller may say about a device, checked and completed into a record ("Understand the identity registry", and the
 * REST API's "Device"). Every refusal is HubError `ArgumentInvalid`.
 */
import { HubError } from './error.ts';
import type {
  AuthenticationType,
  DeviceAuthentication,
  DeviceSpec,
  DeviceStatus,
  SymmetricKeys,
  Thumbprints,
} from './identity.ts';
import { generateKey } from './policies.ts';

const deviceIdPattern = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/;
const types: readonly AuthenticationType[] = ['sas', 'selfSigned', 'certificateAuthority', 'none'];
const maxReasonLength = 128;

function invalid(deviceId: string, problem: string): HubError {
  return new HubError('ArgumentInvalid', `Device "${deviceId}": ${problem}`);
}

/** Throws unless `deviceId` has 1 to 128 of the characters that IoT Hub allows. Ids differ by case. */
export function checkDeviceId(deviceId: unknown): asserts deviceId is string {
  if (typeof deviceId === 'string' && deviceIdPattern.test(deviceId)) return;
  const shown = typeof deviceId === 'string' ? `"${deviceId.slice(0, 140)}"` : `a ${typeof deviceId}`;
  throw new HubError(
    'ArgumentInvalid',
    `A device id has 1 to 128 ASCII letters, digits or characters of - : . + % _ # * ? ! ( ) , = @ ; $ '; choose another than ${shown}`,
  );
}

function checkKey(deviceId: string, name: keyof SymmetricKeys, key: unknown): string | undefined {
  if (key === undefined || key === null || key === '') return undefined;
  const isBase64 = typeof key === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(key) && key.length % 4 === 0;
  const byteCount = isBase64 ? Buffer.from(key, 'base64').length : 0;
  if (byteCount >= 16 && byteCount <= 64) return key as string;
  throw invalid(deviceId, `${name} must be base64 of 16 to 64 bytes. Leave it out to have one generated`);
}

function checkThumbprint(deviceId: string, name: keyof Thumbprints, thumbprint: unknown): string | undefined {
  if (thumbprint === undefined || thumbprint === null || thumbprint === '') return undefined;
  const plain = typeof thumbprint === 'string' ? thumbprint.replaceAll(/[:\s]/g, '').toUpperCase() : '';
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(plain)) return plain;
  throw invalid(
    deviceId,
    `${name} must be the SHA-1 or SHA-256 of the certificate, as 40 or 64 hexadecimal digits`,
  );
}

/** The status that is asked for; undefined when nothing is. */
export function checkStatus(spec: DeviceSpec): {
  status: DeviceStatus | undefined;
  reason: string | null | undefined;
} {
  const { deviceId, statusReason: reason } = spec;
  // Some clients write null for what they leave out.
  const status = spec.status ?? undefined;
  if (status !== undefined && status !== 'enabled' && status !== 'disabled') {
    throw invalid(deviceId, 'status must be "enabled" or "disabled"');
  }
  if (
    reason !== undefined &&
    reason !== null &&
    (typeof reason !== 'string' || reason.length > maxReasonLength)
  ) {
    throw invalid(deviceId, `statusReason must be text of at most ${maxReasonLength} characters`);
  }
  return { status, reason };
}

/** The credentials that `spec` asks for on top of `current`. Keys that nobody gave are generated. */
export function checkAuthentication(spec: DeviceSpec, current?: DeviceAuthentication): DeviceAuthentication {
  const { deviceId } = spec;
  const { symmetricKey, x509Thumbprint } = spec.authentication ?? {};
  const type = spec.authentication?.type ?? undefined;
  if (type !== undefined && !types.includes(type)) {
    throw invalid(deviceId, `authentication.type must be one of ${types.join(', ')}`);
  }
  const keys = {
    primaryKey: checkKey(deviceId, 'primaryKey', symmetricKey?.primaryKey),
    secondaryKey: checkKey(deviceId, 'secondaryKey', symmetricKey?.secondaryKey),
  };
  const thumbprints = {
    primaryThumbprint:
      checkThumbprint(deviceId, 'primaryThumbprint', x509Thumbprint?.primaryThumbprint) ?? null,
    secondaryThumbprint:
      checkThumbprint(deviceId, 'secondaryThumbprint', x509Thumbprint?.secondaryThumbprint) ?? null,
  };
  const hasThumbprint = thumbprints.primaryThumbprint !== null || thumbprints.secondaryThumbprint !== null;
  const hasKey = keys.primaryKey !== undefined || keys.secondaryKey !== undefined;
  const implied = hasThumbprint ? 'selfSigned' : hasKey ? 'sas' : (current?.type ?? 'sas');
  const meant = type ?? implied;
  const none = { primaryThumbprint: null, secondaryThumbprint: null };
  if (meant === 'sas') {
    const kept = current?.symmetricKey;
    return {
      symmetricKey: {
        primaryKey: keys.primaryKey ?? kept?.primaryKey ?? generateKey(),
        secondaryKey: keys.secondaryKey ?? kept?.secondaryKey ?? generateKey(),
      },
      x509Thumbprint: none,
      type: meant,
    };
  }
  const x509 = hasThumbprint ? thumbprints : (current?.x509Thumbprint ?? none);
  if (meant === 'selfSigned' && x509.primaryThumbprint === null && x509.secondaryThumbprint === null) {
    throw invalid(
      deviceId,
      'selfSigned authentication needs x509Thumbprint with a primaryThumbprint or a secondaryThumbprint',
    );
  }
  return {
    symmetricKey: { primaryKey: null, secondaryKey: null },
    x509Thumbprint: meant === 'selfSigned' ? x509 : none,
    type: meant,
  };
}
