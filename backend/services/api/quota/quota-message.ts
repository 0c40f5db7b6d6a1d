/** The account of the hub's quota as the contract has it. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type HubSize as HubSizeMessage, HubSku, type Quota, QuotaSchema } from '@iotdh/proto/fleet/v1';
import { type Account, endOfDay, frameUnitsLeft } from '../../../shared/quota/account.ts';
import type { HubSize } from '../../../shared/quota/hub-limits.ts';
import { allowanceOf, type HubPolicy } from '../../../shared/quota/hub-settings.ts';
import type { QuotaView } from '../../../shared/quota/quota-store.ts';

const skus = { S1: HubSku.S1, S2: HubSku.S2, S3: HubSku.S3 } as const;
const maxLeases = 1_000;

export const hubSizeMessage = ({ sku, units }: HubSize): HubSizeMessage => ({
  $typeName: 'iotdh.fleet.v1.HubSize',
  sku: skus[sku],
  units,
});

/** Undefined where there is no limit. */
const whole = (limit: number): bigint => (Number.isFinite(limit) ? BigInt(Math.floor(limit)) : 0n);
const use = ({ messages, units }: { messages: number; units: number }) => ({
  messages: BigInt(messages),
  units: BigInt(Math.max(0, units)),
});

/** When frames have used up their share at today's pace; undefined: not before the day ends. */
function exhaustionOf({ frames, firstFrameTime }: Account, unitsLeft: number, now: Date): Date | undefined {
  const passedMs = firstFrameTime === null ? 0 : now.getTime() - firstFrameTime.getTime();
  if (passedMs <= 0 || frames.units <= 0) return undefined;
  const time = new Date(now.getTime() + (unitsLeft * passedMs) / frames.units);
  return time < endOfDay(now) ? time : undefined;
}

export function quotaMessage({ account, telemetry, now }: QuotaView, policy: HubPolicy): Quota {
  const allowance = allowanceOf(policy, account.shares);
  const isLimited = Number.isFinite(allowance.frameUnitsPerDay) || Number.isFinite(allowance.unitsPerDay);
  const unitsLeft = isLimited ? frameUnitsLeft(account, allowance, telemetry.units) : 0;
  const exhaustion = isLimited ? exhaustionOf(account, unitsLeft, now) : undefined;
  const { refusedUntilTime } = account;
  return create(QuotaSchema, {
    ...(policy.hub !== null && { hub: hubSizeMessage(policy.hub) }),
    shares: account.shares ?? policy.shares,
    sharesSet: account.shares !== null,
    resetTime: timestampFromDate(endOfDay(now)),
    unitsPerDay: whole(allowance.unitsPerDay),
    messagesPerMinute: whole(allowance.messagesPerMinute),
    frameUnitsPerDay: whole(allowance.frameUnitsPerDay),
    frameUnitsLeft: BigInt(unitsLeft),
    commands: use(account.commands),
    frames: use(account.frames),
    telemetry: use(telemetry),
    leases: account.leases.slice(0, maxLeases).map((lease) => ({
      replicaId: lease.replicaId,
      messages: BigInt(lease.messages),
      frameUnits: BigInt(lease.frameUnits),
      time: timestampFromDate(lease.time),
      ...(lease.hub !== null && { hub: hubSizeMessage(lease.hub) }),
      waitingCommands: BigInt(lease.waitingCommands),
      waitingFrames: BigInt(lease.waitingFrames),
    })),
    ...(exhaustion !== undefined && { exhaustionTime: timestampFromDate(exhaustion) }),
    ...(refusedUntilTime !== null && { refusedUntilTime: timestampFromDate(refusedUntilTime) }),
    time: timestampFromDate(now),
  });
}
