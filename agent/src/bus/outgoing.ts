/** What the bus needs of the outbox. */
import type { DeviceToCloud } from '@iotdh/proto/bus/v1';

/** A message as it travels, already encoded. */
export type Outgoing = { sequence: number; messageId: string; body: Uint8Array };

export type OutgoingQueue = {
  /** The next messages, which are then on their way until `sent` or `unsent`. */
  take(maxCount: number): Outgoing[];
  sent(sequence: number): void;
  /** Without a sequence: all that is on its way. */
  unsent(sequence?: number): void;
  onKept(listener: () => void): () => void;
  /** Numbers a message that is not kept. Any kind but `stamped` says why that was not possible. */
  stamp(
    payload: Extract<DeviceToCloud['payload'], { case: string }>,
    options?: { traceParent?: string },
  ): { kind: 'stamped'; message: Outgoing } | { kind: 'dropped' | 'full' | 'disk_full' | 'too_large' };
};
