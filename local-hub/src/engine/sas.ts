/**
 * Shared access signatures in both dialects. IoT Hub (devguide "Control access with shared access signatures") signs
 * with the base64-decoded key; Event Hubs (and its SDK) signs with the key's text as UTF-8.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type SasDialect = 'iothub' | 'eventhub';

/** The parts of `SharedAccessSignature sr=…&sig=…&se=…&skn=…`. */
export type SasToken = {
  /** The resource as it was signed: usually still URL-encoded. */
  signedResource: string;
  /** The resource, URL-decoded once. */
  resource: string;
  signature: Buffer;
  expiresAtMs: number;
  /** Undefined when absent or empty: then a device's own key signed. */
  policyName: string | undefined;
  /** `se` as it was signed: seconds since 1970. */
  signedExpiry: string;
};

/** Why a token was refused. */
export type SasFailure =
  | 'malformed'
  | 'wrong-resource'
  | 'expired'
  | 'unknown-policy'
  | 'wrong-key'
  | 'wrong-dialect';

export type SasVerdict =
  | { ok: true; token: SasToken }
  | { ok: false; reason: SasFailure /** A clause for the log, without the token. */; detail: string };

export type SasCheck = {
  token: SasToken;
  /** Keys that are tried in turn (primary, secondary), as base64 text. */
  keys: readonly string[];
  dialect: SasDialect;
  /** The path that is accessed, without host: `devices/d1`, or empty for the hub itself. */
  path: string;
  nowMs: number;
  /** Hosts that a token may carry; undefined accepts any, because a local hub is reached by many names. */
  hosts?: readonly string[] | undefined;
};

const prefix = 'SharedAccessSignature ';
const maxTokenLength = 4096;
const signatureBytes = 32;

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Splits a token. Undefined when it is malformed, names a field twice, or is longer than 4096 characters. */
export function parseSas(text: string): SasToken | undefined {
  if (text.length > maxTokenLength || !text.startsWith(prefix)) return undefined;
  const fields = new Map<string, string>();
  for (const part of text.slice(prefix.length).split('&')) {
    const equals = part.indexOf('=');
    if (equals <= 0) return undefined;
    const name = part.slice(0, equals).trim();
    if (fields.has(name)) return undefined;
    fields.set(name, part.slice(equals + 1).trim());
  }
  const signedResource = fields.get('sr');
  const signedExpiry = fields.get('se');
  const signatureText = decoded(fields.get('sig') ?? '');
  const policyName = decoded(fields.get('skn') ?? '');
  if (!signedResource || signedExpiry === undefined || !signatureText || policyName === undefined)
    return undefined;
  const resource = decoded(signedResource);
  if (resource === undefined || !/^\d{1,15}$/.test(signedExpiry)) return undefined;
  const signature = Buffer.from(signatureText, 'base64');
  if (signature.length !== signatureBytes) return undefined;
  const expiresAtMs = Number(signedExpiry) * 1000;
  return {
    signedResource,
    resource,
    signature,
    expiresAtMs,
    policyName: policyName || undefined,
    signedExpiry,
  };
}

function hmac(key: string, dialect: SasDialect, signedResource: string, signedExpiry: string): Buffer {
  const secret = dialect === 'iothub' ? Buffer.from(key, 'base64') : Buffer.from(key, 'utf8');
  return createHmac('sha256', secret).update(`${signedResource}\n${signedExpiry}`).digest();
}

/** Makes a token for `resource` (not yet URL-encoded), which ends at `expiresAtMs` rounded down to seconds. */
export function signSas(options: {
  resource: string;
  /** Base64 text. */
  key: string;
  expiresAtMs: number;
  policyName?: string | undefined;
  /** Default `iothub`. */
  dialect?: SasDialect;
}): string {
  const { resource, key, expiresAtMs, policyName, dialect = 'iothub' } = options;
  const signedResource = encodeURIComponent(resource);
  const signedExpiry = String(Math.floor(expiresAtMs / 1000));
  const signature = hmac(key, dialect, signedResource, signedExpiry).toString('base64');
  const policy = policyName === undefined ? '' : `&skn=${encodeURIComponent(policyName)}`;
  return `${prefix}sr=${signedResource}&sig=${encodeURIComponent(signature)}&se=${signedExpiry}${policy}`;
}

/** Splits `scheme://host:port/path/` into a lower-case host with port, and the path without slashes at its ends. */
export function splitResource(resource: string): { host: string; path: string } {
  const withoutScheme = resource.replace(/^[a-z]+:\/\//i, '');
  const slash = withoutScheme.indexOf('/');
  if (slash === -1) return { host: withoutScheme.toLowerCase(), path: '' };
  return {
    host: withoutScheme.slice(0, slash).toLowerCase(),
    path: withoutScheme.slice(slash).replaceAll(/^\/+|\/+$/g, ''),
  };
}

/** RFC 3339 without fractions; tokens may name years that no date can hold. */
function timeOf(ms: number): string {
  return ms > 8.64e15 ? 'the end of time' : new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** A token opens its own path and everything below it, segment by segment; the empty path is the whole hub. */
function covers(tokenPath: string, path: string): boolean {
  return tokenPath === '' || path === tokenPath || path.startsWith(`${tokenPath}/`);
}

/** Decides about a token. Never throws; signatures are compared in constant time. */
export function verifySas(check: SasCheck): SasVerdict {
  const { token, keys, dialect, path, nowMs, hosts } = check;
  const named = splitResource(token.resource);
  if (hosts !== undefined && !hosts.some((host) => host.toLowerCase() === named.host)) {
    const detail = `the SAS token is for the host "${named.host}", not for ${hosts.join(' or ')}`;
    return { ok: false, reason: 'wrong-resource', detail };
  }
  // Some SDKs encode the device id before they encode the whole resource, so that it arrives encoded once more.
  if (!covers(named.path, path) && !covers(decoded(named.path) ?? named.path, path)) {
    const detail = `the SAS token is for "${named.path}", not for "${path}"`;
    return { ok: false, reason: 'wrong-resource', detail };
  }
  if (token.expiresAtMs <= nowMs) {
    const detail = `the SAS token expired at ${timeOf(token.expiresAtMs)}`;
    return { ok: false, reason: 'expired', detail };
  }
  const matches = (key: string, as: SasDialect) =>
    timingSafeEqual(hmac(key, as, token.signedResource, token.signedExpiry), token.signature);
  if (keys.some((key) => matches(key, dialect))) return { ok: true, token };
  const other = dialect === 'iothub' ? 'eventhub' : 'iothub';
  if (keys.some((key) => matches(key, other))) {
    const wanted = dialect === 'iothub' ? 'the base64-decoded key (IoT Hub)' : "the key's text (Event Hubs)";
    const detail = `the SAS token was signed in the other dialect: here it must be signed with ${wanted}`;
    return { ok: false, reason: 'wrong-dialect', detail };
  }
  return {
    ok: false,
    reason: 'wrong-key',
    detail: 'the SAS token was not signed with the key that is registered',
  };
}
