/** Locked deliveries as AMQP sees them: the lock token is the delivery tag, the peer's outcome settles it. */
import type { Settlement } from '../../engine/cloud-to-device.ts';
import { isHubError } from '../../engine/error.ts';
import type { NodeContext } from '../node-context.ts';
import type { Outcome } from '../rhea-host.ts';
import { isUuid, uuidBytes } from '../wire/write.ts';

/** A uuid as 16 bytes, which .NET reads as the lock token; at most 32 bytes of any other text (AMQP 1.0 part 2, 2.8.7). */
export const lockTag = (lockToken: string): Buffer =>
  isUuid(lockToken) ? uuidBytes(lockToken) : Buffer.from(lockToken).subarray(0, 32);

/** Passes an outcome on: accepted completes, rejected rejects, anything else puts the message back. */
export function settleWith(
  settlement: Settlement,
  lockToken: string,
  outcome: Outcome,
  { log }: NodeContext,
): void {
  const settled =
    outcome === 'accepted'
      ? settlement.complete(lockToken)
      : outcome === 'rejected'
        ? settlement.reject(lockToken)
        : settlement.abandon(lockToken);
  settled.catch((error: unknown) => {
    // The lock ran out before the outcome came: the message was, or will be, delivered again.
    if (!isHubError(error, 'LockLost'))
      log.warn({
        what: 'The outcome of a message was not kept',
        reason: error instanceof Error ? error.message : String(error),
        next: 'It will be delivered again',
      });
  });
}
