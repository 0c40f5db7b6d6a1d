/** What one carrier takes, or what devices take that choose, as the contract has it. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import {
  type AutoPlan,
  AutoPlanSchema,
  type CarrierPlan,
  CarrierPlanSchema,
  PlanBound,
  type PlanObjects,
} from '@iotdh/proto/fleet/v1';
import type { Finish, Work } from '../../../shared/quota/finish-time.ts';
import { type Cost, commandsOfUpdate, twinUnitsOfUpdate, workOf } from './update-cost.ts';

const bounds: Record<Finish['bound'], PlanBound> = {
  rate: PlanBound.RATE,
  daily_quota: PlanBound.DAILY_QUOTA,
  none: PlanBound.NONE,
};

/** `resend`: the part of the frames that is sent again. */
export type Assumed = { resend: number; finish(work: Work): Finish };

export function carrierPlan(
  { carrier, objects, cost }: { carrier: Carrier; objects: PlanObjects; cost: Cost },
  assumed: Assumed,
): CarrierPlan {
  // Only frames pass through the hub; when devices are held to another carrier, none do.
  const onBus = carrier === Carrier.BUS ? cost : { ...cost, frames: 0, frameUnits: 0, requests: 0 };
  return create(CarrierPlanSchema, { carrier, objects, ...predicted(onBus, assumed) });
}

export function autoPlan(
  devices: { cost: Cost; httpsDevices: number; devicesWithoutHttps: number },
  assumed: Assumed,
): AutoPlan {
  return create(AutoPlanSchema, {
    httpsDevices: BigInt(devices.httpsDevices),
    devicesWithoutHttps: BigInt(devices.devicesWithoutHttps),
    ...predicted(devices.cost, assumed),
  });
}

function predicted(cost: Cost, { resend, finish }: Assumed) {
  const { objectBytes, devices, frames, requests } = cost;
  const traffic = (part: number) => {
    const { messages, frameUnits } = workOf(cost, part);
    const again = Math.ceil(frames * part);
    return {
      c2dMessages: BigInt(messages),
      c2dUnits: BigInt(frameUnits + devices * commandsOfUpdate),
      d2cMessages: BigInt(requests + again + cost.d2cOtherMessages),
      d2cUnits: BigInt(requests + again + cost.d2cOtherUnits),
      twinUnits: BigInt(devices * twinUnitsOfUpdate),
    };
  };
  const good = finish(workOf(cost, 0));
  const lossy = finish(workOf(cost, resend));
  return {
    objectBytes: BigInt(objectBytes),
    traffic: traffic(0),
    lossyTraffic: traffic(resend),
    bound: bounds[good.bound],
    ...durationOf('duration', good),
    ...durationOf('lossyDuration', lossy),
  };
}

function durationOf(name: 'duration' | 'lossyDuration', finish: Finish) {
  if (finish.bound === 'none' || !Number.isFinite(finish.durationMs)) return {};
  return { [name]: durationFromMs(Math.round(finish.durationMs)) };
}
