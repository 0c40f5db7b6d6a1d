/** What the nodes for services have in common. */
import { AmqpRefusal } from '../errors.ts';
import type { NodeContext } from '../node-context.ts';

/** Throws AmqpRefusal unless a policy with ServiceConnect was shown. Returns whether that still holds. */
export function requireService({ claims }: NodeContext): () => boolean {
  const allowed = () => claims.allows('ServiceConnect', '');
  if (allowed()) return allowed;
  throw new AmqpRefusal(
    'amqp:unauthorized-access',
    'No token of a policy with the right ServiceConnect was put to $cbs',
  );
}
