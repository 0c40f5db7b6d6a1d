/** Who calls, as the gate has found and the handlers read it. */
import { type ContextKey, type ContextValues, createContextKey } from '@connectrpc/connect';
import type { Operator } from '../../shared/operators.ts';

export const operatorKey: ContextKey<Operator | null> = createContextKey<Operator | null>(null, {
  description: 'the operator who calls',
});

/** Throws when the gate let somebody in whom it does not know: a bug. */
export function operatorOf({ values }: { values: ContextValues }): Operator {
  const operator = values.get(operatorKey);
  if (operator === null) throw new Error('a request passed the gate without an operator');
  return operator;
}
