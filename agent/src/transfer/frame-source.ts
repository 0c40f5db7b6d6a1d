/** What a transfer needs of the bus: to ask for frames. What comes back is handed to the transfer by its composition. */
import type { FrameRequest } from '@iotdh/proto/bus/v1';
import type { CarrierKind } from './carriers/carrier.ts';
import type { Damage } from './damage.ts';

/** `sent`: the hub has the request. Anything else: it is not on its way, and is made again when the link is back, or after `retryMs`. */
export type AskOutcome =
  | { kind: 'sent' }
  | { kind: 'offline'; retryMs?: number }
  | { kind: 'refused'; reason: string };

export type FrameSource = {
  /** `damage`: what the object's segments say of the carriers; of those that it distrusts, the least distrusted is asked. */
  ask(request: FrameRequest, damage: Damage): Promise<AskOutcome>;
  /** Those that could bring frames, now or later. Default: the hub alone. */
  carriers?(): readonly CarrierKind[];
};
