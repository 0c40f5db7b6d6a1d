/** What an update costs over all devices, in messages of the hub: the frames by the objects, the rest by how an update goes. */
import {
  carriedBytes,
  chooseObjects,
  chunkListBytes,
  isLargeFile,
  isLargeUpdate,
  maxChunkListShare,
  segmentListBytes,
} from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { frameSize } from '../../../shared/messages/frame.ts';
import type { Work } from '../../../shared/quota/finish-time.ts';
import { d2cUnits } from '../../../shared/quota/metered.ts';
import type { DeviceGroup, PlannedDevice } from './device-groups.ts';
import { type CostOf, createTransferCost, type TransferCost } from './transfer-cost.ts';

/** What each device says of one update that is applied, besides asking for frames. */
const d2cOfUpdate = {
  /** READY → INTRANSIT_PATCH → READY_WITHPATCH → WAIT_CONFIRM_PATCH → APPLYING_PATCH → READY. */
  stateChanges: 5,
  consents: 1,
  /** With the inventory in them: the result, and the device as it is afterwards. */
  withInventory: 2,
};
/** The offer. */
export const commandsOfUpdate = 1;
/** The pointer at the assignment is set and later cleared, and the device reads its twin each time. */
export const twinUnitsOfUpdate = 4;
/** Of a result and of a hello, besides the inventory: steps, platform, state. */
const besidesInventoryBytes = 1_024;

/** What each device of a group is brought beside the metadata and the manifest. */
export type Choice = {
  objects: readonly ManifestObject[];
  /** Bytes of each list of chunks that the device looks at, whether it then takes the object or not. */
  lists: readonly number[];
};

/** One group's devices, and what each of them takes. */
export type Chosen = Choice & { group: DeviceGroup };

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

/**
 * What a device with these contents takes, by the rule that the agent follows. Which chunks it will find on its disk is not known,
 * so the plan assumes none.
 */
export function choiceFor(manifest: Manifest, contents: ReadonlySet<string>): Choice {
  const isHere = (content: string): boolean => contents.has(content);
  const choice = chooseObjects(manifest, {
    isHere,
    isUsable: ({ encoding }) =>
      encoding.case !== 'delta' || encoding.value.base.every(({ digest }) => isHere(hex(digest))),
  });
  // A published pack yields everything without a base; one that does not is refused by every device, before a byte moves.
  const objects = choice.kind === 'chosen' ? choice.objects : [];
  return { objects, lists: looked(manifest, objects, isHere).map(chunkListBytes) };
}

/** The chunked objects whose lists the agent fetches: those that are chosen, and those that could save by far more than they cost. */
function looked(
  manifest: Manifest,
  objects: readonly ManifestObject[],
  isHere: (content: string) => boolean,
): ManifestObject[] {
  const costs = new Map<string, number>();
  for (const object of objects)
    for (const { digest } of object.contents) costs.set(hex(digest), carriedBytes(object));
  return manifest.objects.filter((object) => {
    if (object.encoding.case !== 'chunked') return false;
    if (objects.includes(object)) return true;
    return object.contents.some(({ digest }) => {
      const cost = costs.get(hex(digest));
      return cost !== undefined && !isHere(hex(digest)) && chunkListBytes(object) <= cost * maxChunkListShare;
    });
  });
}

/** Bytes of what every device is brought before any object: the signed metadata that it lacks, and the manifest. */
export type Before = readonly number[];

/** The sizes of everything that one device is brought: what comes first, lists of segments and of chunks, objects. */
export const sizesOf = ({ objects, lists }: Choice, before: Before): number[] => [
  ...before,
  ...lists,
  ...objects.flatMap((object) => [segmentListBytes(object), Number(object.size)]),
];

/** Devices of which each is brought the same, `bytes` in all; `onBus`: the sizes of what of that comes by the bus. */
export type Share = { devices: readonly PlannedDevice[]; bytes: number; onBus: readonly number[] };

const sumOf = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);

/** Everything comes by the bus. */
export function sharesByBus(chosen: readonly Chosen[], before: Before): Share[] {
  return chosen.map((choice) => {
    const onBus = sizesOf(choice, before);
    return { devices: choice.group.devices, bytes: sumOf(onBus), onBus };
  });
}

/** Each device chooses, by the rule that the agent follows: over HTTPS, where it has that, comes what is large. */
export function sharesByChoice(
  chosen: readonly Chosen[],
  before: Before,
): { shares: Share[]; httpsDevices: number; devicesWithoutHttps: number } {
  const found = { shares: [] as Share[], httpsDevices: 0, devicesWithoutHttps: 0 };
  for (const choice of chosen) {
    const { objects, lists, group } = choice;
    const all = sizesOf(choice, before);
    const bytes = sumOf(all);
    const isLarge = isLargeUpdate(sumOf(sizesOf({ objects, lists: [] }, [])));
    const late = isLarge ? [] : objects;
    const files = [...before, ...lists, ...late.map(segmentListBytes)];
    const onBus = [
      ...files.filter((size) => !isLargeFile(size, frameSize)),
      ...late.map(({ size }) => Number(size)),
    ];
    const have = group.devices.filter(({ hasHttps }) => hasHttps);
    const lack = group.devices.filter(({ hasHttps }) => !hasHttps);
    found.shares.push({ devices: have, bytes, onBus }, { devices: lack, bytes, onBus: all });
    if (!isLarge) continue;
    found.httpsDevices += have.length;
    found.devicesWithoutHttps += lack.length;
  }
  return found;
}

export type Cost = {
  devices: number;
  objectBytes: number;
  frames: number;
  frameUnits: number;
  requests: number;
  d2cOtherMessages: number;
  d2cOtherUnits: number;
};

export function costOf(
  shares: readonly Share[],
  costOfObjects: CostOf = createTransferCost(frameSize),
): Cost {
  const { stateChanges, consents, withInventory } = d2cOfUpdate;
  const total: Cost = {
    ...{ devices: 0, objectBytes: 0, frames: 0, frameUnits: 0, requests: 0 },
    ...{ d2cOtherMessages: 0, d2cOtherUnits: 0 },
  };
  for (const { devices, bytes, onBus } of shares) {
    /** By the length of an id, for nothing else of it counts: a fleet has many devices and many objects, but few of these. */
    const known = new Map<number, TransferCost>();
    for (const { deviceId, inventoryBytes } of devices) {
      const length = encodeURIComponent(deviceId).length;
      const one = known.get(length) ?? costOfObjects(onBus, deviceId);
      known.set(length, one);
      const { frames, frameUnits, requests } = one;
      total.devices += 1;
      total.objectBytes += bytes;
      total.frames += frames;
      total.frameUnits += frameUnits;
      total.requests += requests;
      total.d2cOtherMessages += stateChanges + consents + withInventory;
      total.d2cOtherUnits +=
        stateChanges + consents + withInventory * d2cUnits(inventoryBytes + besidesInventoryBytes);
    }
  }
  total.requests = Math.round(total.requests);
  return total;
}

/** `resend`: the part of the frames that is sent again, each after another request. */
export const workOf = ({ frames, frameUnits, devices }: Cost, resend: number): Work => ({
  messages: Math.ceil(frames * (1 + resend)) + devices * commandsOfUpdate,
  frameUnits: Math.ceil(frameUnits * (1 + resend)),
});
