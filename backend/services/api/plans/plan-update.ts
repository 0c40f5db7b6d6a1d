/** Predicts what a pack takes to reach devices, carrier by carrier, before anybody approves it. */
import { create, fromBinary } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import {
  type CarrierPlan,
  HubChoiceSchema,
  HubSku,
  type Plan,
  PlanObjects,
  PlanSchema,
  type PlanUpdateRequest,
  QuotaSharesSchema,
} from '@iotdh/proto/fleet/v1';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import { frameSize } from '../../../shared/messages/frame.ts';
import { metadataInForce } from '../../../shared/messages/metadata.ts';
import { endOfDay, frameUnitsLeft } from '../../../shared/quota/account.ts';
import { finishOf, type Work } from '../../../shared/quota/finish-time.ts';
import type { HubSize, Sku } from '../../../shared/quota/hub-limits.ts';
import { allowanceOf, type HubPolicy } from '../../../shared/quota/hub-settings.ts';
import type { Fleet } from '../fleet.ts';
import { manifestBytes, packNamed } from '../packs/find.ts';
import { hubSizeMessage } from '../quota/quota-message.ts';
import { type Assumed, autoPlan, carrierPlan } from './carrier-plan.ts';
import { deviceGroups } from './device-groups.ts';
import { hubChoices } from './hub-choice.ts';
import { planGroups } from './plan-groups.ts';
import { createTransferCost } from './transfer-cost.ts';
import { choiceFor, costOf, sharesByBus, sharesByChoice, workOf } from './update-cost.ts';

const allCarriers = [Carrier.BUS, Carrier.HTTPS, Carrier.OFFLINE] as const;

export async function planUpdate(fleet: Fleet, request: PlanUpdateRequest): Promise<Plan> {
  const pack = await packNamed(fleet, request.packId);
  const [bytes, metadata, groups, view] = await Promise.all([
    manifestBytes(fleet, pack),
    metadataInForce(fleet.database.collections.metadata, { roots: 1 }),
    deviceGroups(fleet, request.devices, pack.manifest.kind),
    fleet.quota.read(fleet.policy),
  ]);
  const manifest = fromBinary(ManifestSchema, bytes);
  // A device has the root already; the other roles are new with each pack.
  const before = [...metadata.filter(({ role }) => role !== 'root').map(({ size }) => size), bytes.length];
  const shares = view.account.shares ?? fleet.policy.shares;
  const given = hubOf(request);
  const policy: HubPolicy =
    given === undefined
      ? fleet.policy
      : { hub: given, shares, messagesPerMinute: null, frameUnitsPerDay: null };
  const allowance = allowanceOf(policy, given === undefined ? view.account.shares : null);
  const today = {
    leftMs: endOfDay(view.now).getTime() - view.now.getTime(),
    // Of a hub that is only thought of, nothing is used yet.
    frameUnits:
      given === undefined
        ? frameUnitsLeft(view.account, allowance, view.telemetry.units)
        : allowance.frameUnitsPerDay,
  };
  const cheapest = groups.map((group) => ({ group, ...choiceFor(manifest, group.contents) }));
  const whole = groups.map((group) => ({ group, ...choiceFor(manifest, new Set()) }));
  const devices = groups.reduce((sum, group) => sum + group.devices.length, 0);
  // All of them at once: then each waits for its turn, and asks again meanwhile.
  const costOfObjects = createTransferCost(frameSize, (devices * 60_000) / allowance.messagesPerMinute);
  const cost = costOf(sharesByBus(cheapest, before), costOfObjects);
  const wholeCost = costOf(sharesByBus(whole, before), costOfObjects);
  const { shares: chosenShares, ...byChoice } = sharesByChoice(cheapest, before);
  const resend = request.resendPercent / 100;
  const assumed: Assumed = { resend, finish: (work: Work) => finishOf(work, allowance, today) };
  const planOf = (carrier: Carrier, objects: PlanObjects): CarrierPlan => {
    const costOfPlan = objects === PlanObjects.CHEAPEST ? cost : wholeCost;
    return carrierPlan({ carrier, objects, cost: costOfPlan }, assumed);
  };
  const wanted = request.carriers.length === 0 ? allCarriers : request.carriers;
  const carriers = wanted.map((carrier) => planOf(carrier, PlanObjects.CHEAPEST));
  if (wanted.includes(Carrier.BUS)) carriers.push(planOf(Carrier.BUS, PlanObjects.WHOLE));
  const withinMs = request.finishWithin === undefined ? undefined : durationMs(request.finishWithin);
  return create(PlanSchema, {
    packId: pack._id,
    devices: BigInt(devices),
    ...(policy.hub !== null && { hub: hubSizeMessage(policy.hub) }),
    shares: create(QuotaSharesSchema, shares),
    frameUnitsLeft: Number.isFinite(today.frameUnits) ? BigInt(today.frameUnits) : 0n,
    resendPercent: request.resendPercent,
    frameSize,
    groups: planGroups(cheapest, manifest, before),
    carriers,
    ...(wanted.includes(Carrier.BUS) &&
      wanted.includes(Carrier.HTTPS) && {
        auto: autoPlan({ ...byChoice, cost: costOf(chosenShares, costOfObjects) }, assumed),
      }),
    choices:
      withinMs === undefined
        ? []
        : hubChoices(workOf(cost, resend), shares, withinMs).map(({ hub, durationMs: ms }) =>
            create(HubChoiceSchema, {
              hub: hubSizeMessage(hub),
              duration: durationFromMs(Math.round(ms)),
            }),
          ),
  });
}

const skus: Partial<Record<HubSku, Sku>> = {
  [HubSku.S1]: 'S1',
  [HubSku.S2]: 'S2',
  [HubSku.S3]: 'S3',
};

function hubOf({ hub }: PlanUpdateRequest): HubSize | undefined {
  const sku = hub === undefined ? undefined : skus[hub.sku];
  return hub === undefined || sku === undefined ? undefined : { sku, units: hub.units };
}
