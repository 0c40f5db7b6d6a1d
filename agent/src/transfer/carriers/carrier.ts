/** A carrier: a way for frames to reach this device. All fill the same bitmap, so a transfer changes carriers between two requests. */
import type { Frame, FrameRequest } from '@iotdh/proto/bus/v1';
import type { AskOutcome } from '../frame-source.ts';

export const carrierKinds = ['bus', 'https', 'offline'] as const;
export type CarrierKind = (typeof carrierKinds)[number];

/** Takes a frame that has come. Resolves when the next one may come. */
export type Deliver = (frame: Frame, carrier: CarrierKind) => Promise<void>;

export type Carrier = {
  readonly kind: CarrierKind;
  /**
   * Brings the frames of a request, all, some or none of them. `sent`: they are on their way or were delivered; anything else: this
   * carrier has no more of them for now.
   */
  ask(request: FrameRequest, signal: AbortSignal): Promise<AskOutcome>;
};
