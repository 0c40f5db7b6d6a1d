/** What one carrier takes, as the contract has it. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import { type CarrierPlan, CarrierPlanSchema, PlanBound, type PlanObjects } from '@iotdh/proto/fleet/v1';
import type { Finish, Work } from '../../../shared/quota/finish-time.ts';
import { type Cost, commandsOfUpdate, twinUnitsOfUpdate, workOf } from './update-cost.ts';

const bounds: Record<Finish['bound'], PlanBound> = {
  rate: PlanBound.RATE,
  daily_quota: PlanBound.DAILY_QUOTA,
  none: PlanBound.NONE,
};

export function carrierPlan(options: {
  carrier: Carrier;
  objects: PlanObjects;
  cost: Cost;
  resend: number;
  finish(work: Work): Finish;
}): CarrierPlan {
  const { carrier, objects, cost, resend, finish } = options;
  const { objectBytes, devices } = cost;
  // Only frames pass through the hub; by every other carrier, none do.
  const onBus = carrier === Carrier.BUS ? cost : { ...cost, frames: 0, frameUnits: 0, requests: 0 };
  const traffic = (part: number) => {
    const { messages, frameUnits } = workOf(onBus, part);
    const again = Math.ceil(onBus.frames * part);
    return {
      c2dMessages: BigInt(messages),
      c2dUnits: BigInt(frameUnits + devices * commandsOfUpdate),
      d2cMessages: BigInt(onBus.requests + again + cost.d2cOtherMessages),
      d2cUnits: BigInt(onBus.requests + again + cost.d2cOtherUnits),
      twinUnits: BigInt(devices * twinUnitsOfUpdate),
    };
  };
  const good = finish(workOf(onBus, 0));
  const lossy = finish(workOf(onBus, resend));
  return create(CarrierPlanSchema, {
    carrier,
    objects,
    objectBytes: BigInt(objectBytes),
    traffic: traffic(0),
    lossyTraffic: traffic(resend),
    bound: bounds[good.bound],
    ...durationOf('duration', good),
    ...durationOf('lossyDuration', lossy),
  });
}

function durationOf(name: 'duration' | 'lossyDuration', finish: Finish) {
  if (finish.bound === 'none' || !Number.isFinite(finish.durationMs)) return {};
  return { [name]: durationFromMs(Math.round(finish.durationMs)) };
}
