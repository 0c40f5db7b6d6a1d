/**
 * `$cbs`, claims-based security: clients put a token, the hub keeps what it grants (OASIS AMQP CBS working draft; devguide
 * "Control access to IoT Hub", AMQP).
 */
import { isHubError } from '../../engine/error.ts';
import { AmqpRefusal, toStatusCode } from '../errors.ts';
import { bodyOf } from '../hub-message.ts';
import type { NodeContext } from '../node-context.ts';
import type { AmqpMessage } from '../wire/message.ts';
import { checkEntity } from './event-hub.ts';
import type { Reply } from './reply.ts';
import { requestNode } from './request-reply.ts';

/** The event hub that an audience of the Event Hubs kind names; undefined for all others. */
function entityOf(audience: string): string | undefined {
  return /^sb:\/\/[^/]*\/(messages\/events|[^/?]+)/i.exec(audience)?.[1];
}

function putToken({ applicationProperties, ...message }: AmqpMessage, context: NodeContext): Reply {
  const { claims, devices } = context;
  const operation = applicationProperties.get('operation');
  const type = applicationProperties.get('type');
  const name = applicationProperties.get('name');
  if (operation !== 'put-token')
    throw new AmqpRefusal('amqp:not-implemented', 'The operation must be put-token');
  if (type !== 'servicebus.windows.net:sastoken')
    throw new AmqpRefusal(
      'amqp:unauthorized-access',
      `Tokens of type "${String(type).slice(0, 100)}" are not supported; use a SAS token`,
    );
  if (typeof name !== 'string' || name === '')
    throw new AmqpRefusal('com.microsoft:argument-error', 'The property "name" must hold the audience');
  const entity = entityOf(name);
  if (entity !== undefined) checkEntity(entity, context);
  const auth = claims.put(name, bodyOf({ ...message, applicationProperties }).toString('utf8'));
  if (auth) devices.renew(auth);
  return { status: 200, description: 'OK' };
}

function refuse(error: unknown, context: NodeContext): Reply {
  const reply = { status: toStatusCode(error), description: (error as Error).message };
  if (reply.status === 500) context.onBug(error);
  // The engine has told the log already why a token was not good enough.
  else if (!isHubError(error))
    context.log.warn({ what: `AMQP token from ${context.remote} refused`, reason: reply.description });
  return reply;
}

export const cbs = requestNode({ group: 'cbs', answer: putToken, refuse });
