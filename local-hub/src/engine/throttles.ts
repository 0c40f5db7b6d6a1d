/**
 * Operation throttles and the daily message quota, as IoT Hub enforces them per SKU and unit count ("Reference - IoT Hub
 * quotas and throttling"): excess is first delayed ("traffic shaping"), then refused.
 */

export type Sku = 'F1' | 'S1' | 'S2' | 'S3';
export type ThrottleProfile = 'off' | { sku: Sku; units: number };

export type ThrottleKind =
  | 'd2cSend'
  | 'c2dSend'
  | 'c2dReceive'
  | 'connect'
  | 'twinRead'
  | 'twinUpdate'
  | 'method'
  | 'methodBytes'
  | 'registry'
  | 'query'
  | 'fileUpload';

/** What the daily quota counts. */
export type MeterKind = 'd2c' | 'c2d' | 'twin' | 'method' | 'fileUpload';

/** The quota's account of one UTC day. */
export type QuotaLedger = {
  /** `YYYY-MM-DD`. */
  day: string;
  /** Messages counted in chunks of `chunkBytes`. */
  messages: number;
  byKind: Record<MeterKind, number>;
  /** Undefined when throttles are off. */
  limit: number | undefined;
  chunkBytes: number;
};

export type Throttles = {
  readonly profile: ThrottleProfile;
  /** Resolves when the operation may go on, in order per kind. Rejects with HubError `Throttled` when it would wait too long. */
  take(kind: ThrottleKind, cost?: number): Promise<void>;
  /** Counts `bytes` against the daily quota; throws HubError `QuotaExceeded` when it is used up. */
  meter(bytes: number, kind: MeterKind): void;
  ledger(): QuotaLedger;
  /** Writes the ledger and stops the timers; waiting operations are refused. */
  stop(): Promise<void>;
};
