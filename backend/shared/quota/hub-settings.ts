/** The settings that say which hub there is and what updates may have of it: the same for every service that has to know. */
import { oneOf, type Settings, whole } from '../settings.ts';
import { type HubSize, hubLimits, maxUnits } from './hub-limits.ts';

export const hubShape = {
  /** Whose limits apply; `off`: none, until the hub throttles. */
  hubSku: oneOf('IOTHUB_SKU', ['off', 'S1', 'S2', 'S3'], 'S1'),
  hubUnits: whole('IOTHUB_UNITS', { min: 1, max: 200, fallback: 1 }),
  /** Of the C2D messages that the hub takes in a minute, in percent, for all replicas together; the rest is other senders'. */
  c2dSharePercent: whole('C2D_SHARE_PERCENT', { min: 1, max: 100, fallback: 80 }),
  /** Of the hub's messages of a day, in percent, for frames; the rest is for telemetry and commands. */
  c2dDailySharePercent: whole('C2D_DAILY_SHARE_PERCENT', { min: 1, max: 100, fallback: 50 }),
  /** Instead of what size, units and share come to, for all replicas together. 0: not set. */
  c2dPerMinute: whole('C2D_PER_MINUTE', { min: 0, max: 10_000_000, fallback: 0 }),
  /** Instead of what size, units and daily share come to. 0: not set. */
  frameUnitsPerDay: whole('FRAME_UNITS_PER_DAY', { min: 0, max: 1_000_000_000_000, fallback: 0 }),
};

export type Shares = { ratePercent: number; dailyPercent: number };

/** What the settings say, in the form in which the quota's account takes it. */
export type HubPolicy = {
  /** Null: there is no limit. */
  hub: HubSize | null;
  shares: Shares;
  /** Instead of what the shares come to. Null: not set. */
  messagesPerMinute: number | null;
  frameUnitsPerDay: number | null;
};

/** Throws when there is no such hub. */
export function hubPolicyOf(settings: Settings<typeof hubShape>): HubPolicy {
  const { hubSku, hubUnits, c2dSharePercent, c2dDailySharePercent, c2dPerMinute, frameUnitsPerDay } =
    settings;
  if (hubSku !== 'off' && hubUnits > maxUnits[hubSku]) {
    throw new Error(
      `the settings are not usable: IOTHUB_UNITS must be at most ${maxUnits[hubSku]} when IOTHUB_SKU is ${hubSku}`,
    );
  }
  return {
    hub: hubSku === 'off' ? null : { sku: hubSku, units: hubUnits },
    shares: { ratePercent: c2dSharePercent, dailyPercent: c2dDailySharePercent },
    messagesPerMinute: c2dPerMinute === 0 ? null : c2dPerMinute,
    frameUnitsPerDay: frameUnitsPerDay === 0 ? null : frameUnitsPerDay,
  };
}

/** What holds. Infinity: no limit. */
export type Allowance = {
  messagesPerMinute: number;
  unitsPerDay: number;
  frameUnitsPerDay: number;
};

/** `set`: the shares that an operator has set, which go before everything else in the settings. */
export function allowanceOf(policy: HubPolicy, set: Shares | null): Allowance {
  const { hub, shares, messagesPerMinute, frameUnitsPerDay } = policy;
  const none = Number.POSITIVE_INFINITY;
  const limits = hub === null ? null : hubLimits(hub);
  const { ratePercent, dailyPercent } = set ?? shares;
  const byShare = {
    messagesPerMinute: ((limits?.c2dPerMinute ?? none) * ratePercent) / 100,
    frameUnitsPerDay: Math.floor(((limits?.unitsPerDay ?? none) * dailyPercent) / 100),
  };
  return {
    unitsPerDay: limits?.unitsPerDay ?? none,
    messagesPerMinute: (set === null ? messagesPerMinute : null) ?? byShare.messagesPerMinute,
    frameUnitsPerDay: (set === null ? frameUnitsPerDay : null) ?? byShare.frameUnitsPerDay,
  };
}
