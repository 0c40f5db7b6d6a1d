/** What becomes of a message that could not be taken. */
import { expectedError, toAmqpError } from '../errors.ts';
import type { NodeContext } from '../node-context.ts';
import type { Verdict } from '../settlement.ts';

/** The rejection for whatever was thrown, told to the log; what nobody expected is reported as a bug. */
export function rejection(error: unknown, { log, onBug, remote }: NodeContext): Verdict {
  if (error instanceof Error && expectedError(error) !== undefined)
    log.warn({ what: `AMQP message from ${remote} refused`, reason: error.message });
  else onBug(error);
  return { kind: 'rejected', ...toAmqpError(error) };
}
