/** Golden cases of iotdh.fleet.v1: the hub's quota, and what an update will take of it. */
import { Carrier } from '@iotdh/proto/bus/v1';
import {
  AutoPlanSchema,
  CarrierPlanSchema,
  GetQuotaRequestSchema,
  GetQuotaResponseSchema,
  HubChoiceSchema,
  HubSizeSchema,
  HubSku,
  PlanBound,
  PlanGroupSchema,
  PlanObjects,
  PlanSchema,
  PlanTrafficSchema,
  PlanUpdateRequestSchema,
  PlanUpdateResponseSchema,
  QuotaLeaseSchema,
  QuotaSchema,
  QuotaSharesSchema,
  QuotaUseSchema,
  SetQuotaSharesRequestSchema,
  SetQuotaSharesResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { cases } from './cases.ts';
import { at, digest, lasting, uuid } from './examples.ts';

const hub = { sku: HubSku.S1, units: 2 };
const shares = { ratePercent: 80, dailyPercent: 50 };
const used = { messages: 12n, units: 14n };
const bareLease = { replicaId: uuid(71), time: at(5) };
const lease = {
  ...bareLease,
  messages: 3n,
  frameUnits: 45n,
  hub,
  waitingCommands: 2n,
  waitingFrames: 96n,
};
const bareQuota = {
  shares,
  resetTime: at(57_600),
  commands: {},
  frames: {},
  telemetry: {},
  time: at(5),
};
const quota = {
  ...bareQuota,
  hub,
  sharesSet: true,
  unitsPerDay: 800_000n,
  messagesPerMinute: 160n,
  frameUnitsPerDay: 400_000n,
  frameUnitsLeft: 99_955n,
  commands: used,
  frames: { messages: 20_003n, units: 300_045n },
  telemetry: { messages: 4_000n, units: 4_100n },
  leases: [lease],
  exhaustionTime: at(7_200),
  refusedUntilTime: at(3_600),
};
const traffic = { c2dMessages: 61n, c2dUnits: 901n, d2cMessages: 13n, d2cUnits: 13n, twinUnits: 2n };
const bareCarrier = {
  carrier: Carrier.HTTPS,
  objects: PlanObjects.CHEAPEST,
  traffic: {},
  lossyTraffic: {},
  bound: PlanBound.NONE,
};
const carrier = {
  carrier: Carrier.BUS,
  objects: PlanObjects.WHOLE,
  objectBytes: 3_670_016n,
  traffic,
  lossyTraffic: { ...traffic, c2dMessages: 64n, c2dUnits: 946n },
  duration: lasting(46),
  lossyDuration: lasting(48),
  bound: PlanBound.RATE,
};
const bareAuto = { traffic: {}, lossyTraffic: {}, bound: PlanBound.NONE };
const auto = {
  httpsDevices: 900n,
  devicesWithoutHttps: 100n,
  objectBytes: 3_670_016n,
  traffic,
  lossyTraffic: { ...traffic, c2dMessages: 64n },
  duration: lasting(46),
  lossyDuration: lasting(48),
  bound: PlanBound.RATE,
};
const group = {
  baseManifestDigest: digest(0x0c),
  devices: 1n,
  wholeObjects: 2n,
  wholeBytes: 3_000_000n,
  deltaObjects: 1n,
  deltaBytes: 670_016n,
  contentBytesHere: 90_000_000n,
  frames: 60n,
};
const choice = { hub, duration: lasting(46) };
const barePlan = { packId: uuid(81), shares };
const plan = {
  ...barePlan,
  devices: 1n,
  hub,
  frameUnitsLeft: 200_000n,
  resendPercent: 5,
  frameSize: 61_056,
  groups: [group],
  carriers: [carrier, bareCarrier],
  choices: [choice],
  auto,
};

export const fleetQuotaCases = [
  cases(HubSizeSchema, { full: hub }, { 's3-units': [{ sku: HubSku.S3, units: 11 }, ': hub_size.s3_units'] }),
  cases(QuotaSharesSchema, { full: shares }),
  cases(QuotaUseSchema, { minimal: {}, full: used }),
  cases(QuotaLeaseSchema, { minimal: bareLease, full: lease }),
  cases(QuotaSchema, { minimal: bareQuota, full: quota }),
  cases(GetQuotaRequestSchema, { full: {} }),
  cases(GetQuotaResponseSchema, { full: { quota } }),
  cases(SetQuotaSharesRequestSchema, { minimal: {}, full: { shares } }),
  cases(SetQuotaSharesResponseSchema, { full: { quota } }),
  cases(PlanTrafficSchema, { minimal: {}, full: traffic }),
  cases(CarrierPlanSchema, { minimal: bareCarrier, full: carrier }),
  cases(AutoPlanSchema, { minimal: bareAuto, full: auto }),
  cases(PlanGroupSchema, { minimal: { devices: 1n }, full: group }),
  cases(HubChoiceSchema, { full: choice }),
  cases(PlanSchema, { minimal: barePlan, full: plan }),
  cases(PlanUpdateRequestSchema, {
    minimal: { packId: uuid(81) },
    full: {
      packId: uuid(81),
      devices: { sites: ['Boston'] },
      hub,
      carriers: [Carrier.BUS],
      resendPercent: 5,
      finishWithin: lasting(86_400),
    },
  }),
  cases(PlanUpdateResponseSchema, { full: { plan } }),
];
