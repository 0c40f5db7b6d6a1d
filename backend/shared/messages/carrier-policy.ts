/** How an update is carried: in the operator's word, in the database's and as the carriers that an offer names. */
import { Carrier } from '@iotdh/proto/bus/v1';
import { CarrierPolicy } from '@iotdh/proto/fleet/v1';
import type { AssignmentDocument } from '../database/collections.ts';

type Kept = NonNullable<AssignmentDocument['carrierPolicy']>;

const policies: Readonly<Record<Kept, CarrierPolicy>> = {
  auto: CarrierPolicy.AUTO,
  bus: CarrierPolicy.BUS,
  https: CarrierPolicy.HTTPS,
  offline: CarrierPolicy.OFFLINE,
};

const carriers: Readonly<Record<Kept, readonly Carrier[]>> = {
  auto: [Carrier.BUS, Carrier.HTTPS, Carrier.OFFLINE],
  bus: [Carrier.BUS],
  https: [Carrier.HTTPS],
  offline: [Carrier.OFFLINE],
};

/** An assignment that was made before there was a choice comes over the hub, as it was offered. */
const ofOld: Kept = 'bus';

export const policyMessage = (kept: Kept | undefined): CarrierPolicy => policies[kept ?? ofOld];

export const carriersOf = (kept: Kept | undefined): Carrier[] => [...carriers[kept ?? ofOld]];

export function policyToKeep(policy: CarrierPolicy): Kept {
  const [kept] = Object.entries(policies).find(([, known]) => known === policy) ?? ['auto'];
  return kept as Kept;
}
