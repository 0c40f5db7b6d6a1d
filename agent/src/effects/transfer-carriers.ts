/** The carriers of one transfer: those that its offer allows and this machine has. */
import { Carrier as CarrierName } from '@iotdh/proto/bus/v1';
import type { AskBlobAccess } from '../connections/blob-access.ts';
import type { Carrier, CarrierKind, Deliver } from '../transfer/carriers/carrier.ts';
import { createHttpsCarrier } from '../transfer/carriers/https-carrier.ts';
import type { RangeReader } from '../transfer/carriers/https-range.ts';
import { createOfflineCarrier } from '../transfer/carriers/offline-carrier.ts';
import type { Clock } from '../transfer/clock.ts';

export type TransferCarriersOptions = {
  /** Null: this device has no certificate that the broker knows. */
  https: { access: AskBlobAccess; reader: RangeReader } | null;
  clock: Clock;
};

export type OfTransfer = {
  assignmentId: string;
  allowed: readonly CarrierName[];
  bus: Pick<Carrier, 'ask'>;
  bundles: () => readonly string[];
  deliver: Deliver;
  sizeOf: (objectDigest: Uint8Array) => number | undefined;
};

const kinds = new Map<CarrierName, CarrierKind>([
  [CarrierName.BUS, 'bus'],
  [CarrierName.HTTPS, 'https'],
  [CarrierName.OFFLINE, 'offline'],
]);

export type MakeCarriers = (transfer: OfTransfer) => Carrier[];

export function createTransferCarriers({ https, clock }: TransferCarriersOptions): MakeCarriers {
  return ({ assignmentId, allowed, bus, bundles, deliver, sizeOf }) => {
    const make: Record<CarrierKind, () => Carrier | null> = {
      bus: () => ({ kind: 'bus', ask: bus.ask }),
      https: () =>
        https &&
        createHttpsCarrier({
          access: (digest, signal) => https.access(assignmentId, digest, signal),
          read: https.reader.read,
          ...{ deliver, sizeOf, clock },
        }),
      offline: () => createOfflineCarrier({ bundles, deliver, sizeOf }),
    };
    return allowed.flatMap((name) => {
      const kind = kinds.get(name);
      const carrier = kind === undefined ? null : make[kind]();
      return carrier === null ? [] : [carrier];
    });
  };
}
