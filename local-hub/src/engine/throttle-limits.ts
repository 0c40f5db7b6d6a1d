/**
 * The numbers of "Reference - IoT Hub quotas and throttling": what a hub of a SKU with some units may do. The free SKU has
 * the rates of S1 (the page's column "Free, B1, and S1"), one unit, a quota of 8,000 messages a day counted in 512 bytes,
 * and 500 devices. The daily quotas are those of "Azure subscription and service limits", section IoT Hub.
 */
import { HubError } from './error.ts';

export type Sku = 'F1' | 'S1' | 'S2' | 'S3';
export type ThrottleProfile = 'off' | { sku: Sku; units: number };

export type ThrottleKind =
  | 'd2cSend'
  | 'c2dSend'
  /** Receives of HTTPS devices only; messages that are pushed are not throttled. */
  | 'c2dReceive'
  | 'connect'
  | 'twinRead'
  | 'twinUpdate'
  /** Calls of direct methods: IoT Hub limits only their bytes. */
  | 'method'
  | 'methodBytes'
  | 'registry'
  | 'query'
  | 'fileUpload';

export type SkuLimits = {
  /** Operations (or bytes) per second; Infinity where IoT Hub has no limit. */
  perSecond: Record<ThrottleKind, number>;
  /** Of `chunkBytes` each. */
  dailyMessages: number;
  chunkBytes: number;
  maxDevices: number;
};

const minute = 60;
const kilobyte = 1024;
const megabyte = 1024 * kilobyte;
const maxUnits: Record<Sku, number> = { F1: 1, S1: 200, S2: 200, S3: 10 };
const dailyMessagesPerUnit: Record<Sku, number> = { F1: 8_000, S1: 400_000, S2: 6_000_000, S3: 300_000_000 };

function ratesOf(sku: Sku, units: number): Record<ThrottleKind, number> {
  const unlimited = { method: Number.POSITIVE_INFINITY };
  if (sku === 'S3') {
    return {
      ...unlimited,
      d2cSend: 6000 * units,
      c2dSend: (5000 * units) / minute,
      c2dReceive: (50_000 * units) / minute,
      connect: 6000 * units,
      twinRead: 500 * units,
      twinUpdate: 250 * units,
      methodBytes: 24 * megabyte * units,
      registry: (5000 * units) / minute,
      query: (1000 * units) / minute,
      fileUpload: (5000 * units) / minute,
    };
  }
  const small = {
    ...unlimited,
    c2dSend: (100 * units) / minute,
    c2dReceive: (1000 * units) / minute,
    registry: (100 * units) / minute,
    query: (20 * units) / minute,
    fileUpload: (100 * units) / minute,
  };
  if (sku === 'S2') {
    return {
      ...small,
      d2cSend: 120 * units,
      connect: 120 * units,
      twinRead: Math.max(100, 10 * units),
      twinUpdate: Math.max(50, 5 * units),
      methodBytes: 480 * kilobyte * units,
    };
  }
  return {
    ...small,
    d2cSend: Math.max(100, 12 * units),
    connect: Math.max(100, 12 * units),
    twinRead: 100,
    twinUpdate: 50,
    methodBytes: 160 * kilobyte * units,
  };
}

/** What a hub may do. Throws HubError `ArgumentInvalid` for a SKU or a number of units that cannot be bought. */
export function limitsOf({ sku, units }: Exclude<ThrottleProfile, 'off'>): SkuLimits {
  // Settings come from outside, whatever their type says.
  const most = Object.hasOwn(maxUnits, sku) ? maxUnits[sku] : 0;
  if (!Number.isInteger(units) || units < 1 || units > most) {
    const known = Object.entries(maxUnits).map(([name, max]) => `${name} with 1 to ${max}`);
    throw new HubError(
      'ArgumentInvalid',
      `There is no hub ${sku} with ${units} units. Choose ${known.join(', ')} units`,
    );
  }
  return {
    perSecond: ratesOf(sku, units),
    dailyMessages: dailyMessagesPerUnit[sku] * units,
    chunkBytes: sku === 'F1' ? 512 : 4096,
    maxDevices: sku === 'F1' ? 500 : 1_000_000,
  };
}
