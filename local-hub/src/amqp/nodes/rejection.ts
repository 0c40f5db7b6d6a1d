/** What becomes of a message that could not be taken. */
import { expectedError, toAmqpError } from '../errors.ts';
import type { NodeContext } from '../node-context.ts';
import type { Verdict } from '../settlement.ts';

/** The rejection for whatever was thrown; what nobody expected is reported as a bug. */
export function rejection(error: unknown, { onBug }: NodeContext): Verdict {
  if (expectedError(error) === undefined) onBug(error);
  return { kind: 'rejected', ...toAmqpError(error) };
}
