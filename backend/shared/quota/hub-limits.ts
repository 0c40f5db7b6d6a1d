/**
 * What Azure IoT Hub allows, by size and units, as far as updates are concerned. The one place in the backend with these numbers.
 *
 * Source: "Reference - IoT Hub quotas and throttling" (learn.microsoft.com, iot-hub-devguide-quotas-throttling) for the rates,
 * "Azure subscription and service limits", section IoT Hub, for the messages of a day, and "Azure IoT Hub billing information"
 * (iot-hub-devguide-pricing) for how they are counted; read in stored copies of 2023 to 2026 on 2026-11-30. The local hub
 * enforces the same numbers from a table of its own, and a test compares the two.
 */

export type Sku = 'S1' | 'S2' | 'S3';
export type HubSize = { sku: Sku; units: number };

export type HubLimits = {
  /** C2D messages a minute, over the whole hub and whatever their size. */
  c2dPerMinute: number;
  /** D2C messages a second, over the whole hub. */
  d2cPerSecond: number;
  /** Messages of a day, each of `unitBytes`. */
  unitsPerDay: number;
};

/** A message counts as many units as it has begun, body and properties together. */
export const unitBytes = 4_096;

export const skus: readonly Sku[] = ['S1', 'S2', 'S3'];
export const maxUnits: Readonly<Record<Sku, number>> = { S1: 200, S2: 200, S3: 10 };

/**
 * What a unit costs relative to one of S1. No list price could be verified, so no money is named anywhere; the ratio of the
 * prices last seen is good enough to say which of two hubs is cheaper when they are far apart.
 */
export const relativeCost: Readonly<Record<Sku, number>> = { S1: 1, S2: 10, S3: 100 };

export function hubLimits({ sku, units }: HubSize): HubLimits {
  switch (sku) {
    case 'S1':
      return {
        c2dPerMinute: 100 * units,
        d2cPerSecond: Math.max(100, 12 * units),
        unitsPerDay: 400_000 * units,
      };
    case 'S2':
      return { c2dPerMinute: 100 * units, d2cPerSecond: 120 * units, unitsPerDay: 6_000_000 * units };
    case 'S3':
      return { c2dPerMinute: 5_000 * units, d2cPerSecond: 6_000 * units, unitsPerDay: 300_000_000 * units };
  }
}

/** How many units a message of so many bytes counts. */
export const unitsOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / unitBytes));
