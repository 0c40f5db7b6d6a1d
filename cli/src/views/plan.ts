/** How a plan is shown. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import {
  type AutoPlan,
  type CarrierPlan,
  type HubSize,
  HubSku,
  type Plan,
  PlanBound,
  type PlanGroup,
  PlanObjects,
} from '@iotdh/proto/fleet/v1';
import { type Column, tableText } from '../output/table.ts';
import { enumText, hexText } from '../output/words.ts';
import { countText, durationText, sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';

export const hubText = (hub: HubSize | undefined): string =>
  hub === undefined ? 'a hub without limits' : `${enumText(HubSku, hub.sku).toUpperCase()} × ${hub.units}`;

const bounds: Partial<Record<PlanBound, string>> = {
  [PlanBound.RATE]: 'rate',
  [PlanBound.DAILY_QUOTA]: 'daily quota',
  [PlanBound.NONE]: '',
};

/** `12`, or `12–14` where re-sends are assumed. */
function rangeText(least: bigint, most: bigint): string {
  return least === most ? countText(least) : `${countText(least)}–${countText(most)}`;
}

/** What is predicted of one carrier, or of devices that choose. */
export type Predicted = Pick<
  CarrierPlan,
  'objectBytes' | 'traffic' | 'lossyTraffic' | 'duration' | 'lossyDuration' | 'bound'
>;

/** In which words a carrier is named. */
const carrierWords: Partial<Record<Carrier, string>> = {
  [Carrier.BUS]: 'by the bus',
  [Carrier.HTTPS]: 'over HTTPS',
  [Carrier.OFFLINE]: 'as a bundle',
};

/** By which carriers so many devices take it: the one that they are held to, or what they choose. */
export function carriersText(by: Carrier | AutoPlan, devices: number): string {
  if (typeof by === 'number') return carrierWords[by] ?? '';
  if (by.httpsDevices === 0n) return 'by the bus';
  const others = BigInt(devices) - by.httpsDevices;
  return others === 0n
    ? 'over HTTPS'
    : `(${countText(by.httpsDevices)} over HTTPS, ${countText(others)} by the bus)`;
}

export const withoutHttpsText = ({ devicesWithoutHttps: count }: AutoPlan): string =>
  `${countText(count)} of these devices would take it over HTTPS, and take it by the bus: the fleet has issued no certificate to them.`;

export function timeOf({ duration, lossyDuration }: Predicted): string {
  if (duration === undefined) return 'not limited by the hub';
  const [least, most] = [
    durationText(durationMs(duration)),
    durationText(durationMs(lossyDuration ?? duration)),
  ];
  return least === most ? least : `${least} – ${most}`;
}

const groupColumns: Column<PlanGroup>[] = [
  { header: 'DEVICES', value: ({ devices }) => countText(devices) },
  {
    header: 'THEY HAVE',
    value: ({ baseManifestDigest: base }) =>
      base.length === 0 ? 'nothing that is known' : `manifest ${hexText(base).slice(0, 12)}`,
  },
  { header: 'HERE ALREADY', value: ({ contentBytesHere }) => sizeText(contentBytesHere) },
  { header: 'DELTAS', value: ({ deltaObjects, deltaBytes }) => objectsText(deltaObjects, deltaBytes) },
  { header: 'WHOLE', value: ({ wholeObjects, wholeBytes }) => objectsText(wholeObjects, wholeBytes) },
  { header: 'FRAMES', value: ({ frames }) => countText(frames) },
];

const objectsText = (objects: bigint, bytes: bigint): string =>
  objects === 0n ? '' : `${countText(objects)}, ${sizeText(bytes)}`;

/** A line of the table of carriers, which `auto` is the last of. */
type Line = Predicted & { carrier: string; objects: PlanObjects };

const linesOf = ({ carriers, auto }: Plan): Line[] => [
  ...carriers.map((plan) => ({ ...plan, carrier: enumText(Carrier, plan.carrier) })),
  ...(auto === undefined ? [] : [{ ...auto, carrier: 'auto', objects: PlanObjects.CHEAPEST }]),
];

const carrierColumns: Column<Line>[] = [
  { header: 'CARRIER', value: ({ carrier }) => carrier },
  { header: 'OBJECTS', value: ({ objects }) => enumText(PlanObjects, objects) },
  { header: 'BYTES', value: ({ objectBytes }) => sizeText(objectBytes) },
  {
    header: 'C2D',
    value: ({ traffic, lossyTraffic }) =>
      rangeText(traffic?.c2dMessages ?? 0n, lossyTraffic?.c2dMessages ?? 0n),
  },
  {
    header: 'C2D UNITS',
    value: ({ traffic, lossyTraffic }) => rangeText(traffic?.c2dUnits ?? 0n, lossyTraffic?.c2dUnits ?? 0n),
  },
  {
    header: 'D2C',
    value: ({ traffic, lossyTraffic }) =>
      rangeText(traffic?.d2cMessages ?? 0n, lossyTraffic?.d2cMessages ?? 0n),
  },
  {
    header: 'D2C UNITS',
    value: ({ traffic, lossyTraffic }) => rangeText(traffic?.d2cUnits ?? 0n, lossyTraffic?.d2cUnits ?? 0n),
  },
  { header: 'TWIN UNITS', value: ({ traffic }) => countText(traffic?.twinUnits ?? 0n) },
  { header: 'TIME', value: timeOf },
  { header: 'BY', value: ({ bound }) => bounds[bound] ?? '' },
];

/** Of each device the same, so one line for all of them. */
export function planText(plan: Plan, name: string, terminal: Terminal): string {
  const { shares, hub, resendPercent, choices } = plan;
  const limits =
    hub === undefined
      ? ''
      : `, updates have ${shares?.ratePercent} % of its rate and ${shares?.dailyPercent} % of its day (${countText(plan.frameUnitsLeft)} units left in the first)`;
  const links =
    resendPercent === 0 ? 'links that lose nothing' : `up to ${resendPercent} % of the frames sent again`;
  const lines = [
    `${terminal.style('bold', name)} to ${countText(plan.devices)} devices by ${hubText(hub)}${limits}.`,
    `A prediction, for devices that are on and ready, and ${links}. A unit is 4 KiB of the hub's quota.`,
    '',
    tableText(groupColumns, plan.groups, terminal),
    tableText(carrierColumns, linesOf(plan), terminal).trimEnd(),
  ];
  if (plan.auto !== undefined && plan.auto.devicesWithoutHttps > 0n)
    lines.push('', withoutHttpsText(plan.auto));
  if (choices.length > 0) {
    lines.push(
      '',
      'Hubs that do it in time by the bus, the cheapest first by rough relative cost (S1 1, S2 10, S3 100 a unit):',
    );
    for (const { hub: choice, duration } of choices) {
      lines.push(`  ${hubText(choice)}  ${duration === undefined ? '' : durationText(durationMs(duration))}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
