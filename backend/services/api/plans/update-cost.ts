/** What an update costs over all devices, in messages of the hub: the frames by the objects, the rest by how an update goes. */
import { carriedBytes, chooseObjects, segmentListBytes } from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { frameSize } from '../../../shared/messages/frame.ts';
import { d2cUnits } from '../../../shared/quota/metered.ts';
import type { DeviceGroup } from './device-groups.ts';
import type { Work } from './finish-time.ts';
import { createTransferCost } from './transfer-cost.ts';

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

/** One group's devices, and what each of them takes. */
export type Chosen = { group: DeviceGroup; objects: readonly ManifestObject[] };

/** What a device with these contents takes; the same rule as the agent's. */
export function objectsFor(manifest: Manifest, contents: ReadonlySet<string>): ManifestObject[] {
  const isHere = (content: string): boolean => contents.has(content);
  const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
  const choice = chooseObjects(manifest, {
    isHere,
    isUsable({ encoding }) {
      if (encoding.case === 'whole') return true;
      return encoding.case === 'delta' && encoding.value.base.every(({ digest }) => isHere(hex(digest)));
    },
  });
  // A published pack yields everything whole; one that does not is refused by every device, before a byte moves.
  return choice.kind === 'chosen' ? choice.objects : [];
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

/** The sizes of everything that one device is brought: the manifest, lists of segments, objects. */
export const sizesOf = (objects: readonly ManifestObject[], manifestSize: number): number[] => [
  manifestSize,
  ...objects.flatMap((object) => [segmentListBytes(object), Number(object.size)]),
];

export function costOf(chosen: readonly Chosen[], manifestSize: number): Cost {
  const costOfObjects = createTransferCost(frameSize);
  const { stateChanges, consents, withInventory } = d2cOfUpdate;
  const total: Cost = {
    ...{ devices: 0, objectBytes: 0, frames: 0, frameUnits: 0, requests: 0 },
    ...{ d2cOtherMessages: 0, d2cOtherUnits: 0 },
  };
  for (const { group, objects } of chosen) {
    const sizes = sizesOf(objects, manifestSize);
    const bytes = objects.reduce((sum, object) => sum + carriedBytes(object), manifestSize);
    for (const { deviceId, inventoryBytes } of group.devices) {
      const { frames, frameUnits, requests } = costOfObjects(sizes, deviceId);
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
  return total;
}

/** `resend`: the part of the frames that is sent again, each after another request. */
export const workOf = ({ frames, frameUnits, devices }: Cost, resend: number): Work => ({
  messages: Math.ceil(frames * (1 + resend)) + devices * commandsOfUpdate,
  frameUnits: Math.ceil(frameUnits * (1 + resend)),
});
