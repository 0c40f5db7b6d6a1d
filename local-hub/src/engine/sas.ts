/**
 * Shared access signatures in both dialects. IoT Hub (devguide "Control access with shared access signatures") signs
 * with the base64-decoded key; Event Hubs (and its SDK) signs with the key's text as UTF-8.
 */

export type SasDialect = 'iothub' | 'eventhub';

/** The parts of `SharedAccessSignature sr=…&sig=…&se=…&skn=…`. */
export type SasToken = {
  /** The resource as it was signed: still URL-encoded. */
  signedResource: string;
  /** The resource, URL-decoded. */
  resource: string;
  signature: Buffer;
  expiresAtMs: number;
  policyName: string | undefined;
  /** `se` as it was signed. */
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

export type SasVerdict = { ok: true; token: SasToken } | { ok: false; reason: SasFailure; detail: string };

export type SasCheck = {
  token: string;
  /** Keys that are tried in turn, as base64 text. */
  keys: readonly string[];
  dialect: SasDialect;
  /** What is accessed: `host/devices/id` or `host`; the token's resource must be it or a path prefix of it. */
  resource: string;
  nowMs: number;
  /** Host names that a token may carry; undefined accepts any, because a local hub is reached by many names. */
  hostNames?: readonly string[] | undefined;
};

/** Splits a token; undefined when it is malformed or longer than 4 KiB. */
export declare function parseSas(token: string): SasToken | undefined;

/** Makes a token for `resource` (not yet URL-encoded). */
export declare function signSas(options: {
  resource: string;
  key: string;
  expiresAtMs: number;
  policyName?: string | undefined;
  dialect?: SasDialect;
}): string;

/** Decides about a token. Never throws; compares signatures in constant time. */
export declare function verifySas(check: SasCheck): SasVerdict;
