/**
 * `$cbs`, claims-based security: clients put a token, the hub keeps what it grants (OASIS AMQP CBS working draft; devguide
 * "Control access to IoT Hub", AMQP). Every request is settled and answered.
 */
import { isHubError } from '../../engine/error.ts';
import { AmqpRefusal, toStatusCode } from '../errors.ts';
import { bodyOf } from '../hub-message.ts';
import { accepted } from '../inbound-link.ts';
import type { NodeContext, OpenInbound, OpenOutbound } from '../node-context.ts';
import { type AmqpMessage, readMessage } from '../wire/message.ts';
import { checkEntity } from './event-hub.ts';
import { type Reply, writeReply } from './reply.ts';

const group = 'cbs';
/** A request holds an audience and a token of at most 4 KiB; nobody is known yet who sends it. */
const maxRequestBytes = 16_384;

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

/** Requests. */
export const openCbsRequests: OpenInbound = (link, _request, context) => {
  link.grant();
  return {
    maxMessageBytes: maxRequestBytes,
    credit: context.settings.sendCredit,
    receive({ bytes, settle }) {
      const message = readMessage(bytes);
      let reply: Reply;
      try {
        reply = putToken(message, context);
      } catch (error) {
        reply = { status: toStatusCode(error), description: (error as Error).message };
        if (reply.status === 500) context.onBug(error);
        // The engine has told the log already why a token was not good enough.
        else if (!isHubError(error))
          context.log.warn({ what: `AMQP token from ${context.remote} refused`, reason: reply.description });
      }
      const { properties } = message;
      const payload = writeReply(properties.rawMessageId, reply);
      context.replies.send(group, properties.replyTo, payload, () => settle(accepted));
    },
    closed() {},
    allowed: () => true,
  };
};

/** Replies. */
export const openCbsReplies: OpenOutbound = (link, request, { replies }) => {
  replies.add(group, request, link);
  return { closed: () => replies.remove(link), allowed: () => true };
};
