/** What a transfer needs of the bus: to ask for frames. What comes back is handed to the transfer by its composition. */
import type { FrameRequest } from '@iotdh/proto/bus/v1';

/** `sent`: the hub has the request. Anything else: it is not on its way, and is made again when the link is back, or after `retryMs`. */
export type AskOutcome =
  | { kind: 'sent' }
  | { kind: 'offline'; retryMs?: number }
  | { kind: 'refused'; reason: string };

export type FrameSource = { ask(request: FrameRequest): Promise<AskOutcome> };
