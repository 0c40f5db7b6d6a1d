/** A node of requests and replies, `$cbs` or `$management`: a pair of links, on which every request is settled and answered. */
import { accepted } from '../inbound-link.ts';
import type { NodeContext, OpenInbound, OpenOutbound } from '../node-context.ts';
import { type AmqpMessage, readMessage } from '../wire/message.ts';
import { type Reply, writeReply } from './reply.ts';

/** A request holds names and a token of at most 4 KiB; nobody is known yet who sends it. */
const maxRequestBytes = 16_384;

export type RequestNode = {
  /** Which replies belong to it, among those of the connection. */
  group: string;
  answer(message: AmqpMessage, context: NodeContext): Reply;
  /** The reply to a request that `answer` threw at. */
  refuse(error: unknown, context: NodeContext): Reply;
};

/** What opens the node's two kinds of link. */
export function requestNode({ group, answer, refuse }: RequestNode): {
  requests: OpenInbound;
  replies: OpenOutbound;
} {
  function replyFor(message: AmqpMessage, context: NodeContext): Reply {
    try {
      return answer(message, context);
    } catch (error) {
      return refuse(error, context);
    }
  }

  return {
    requests(link, _request, context) {
      link.grant();
      return {
        maxMessageBytes: maxRequestBytes,
        credit: context.settings.sendCredit,
        receive({ bytes, settle }) {
          const message = readMessage(bytes);
          const { rawMessageId, replyTo } = message.properties;
          const payload = writeReply(rawMessageId, replyFor(message, context));
          context.replies.send(group, replyTo, payload, () => settle(accepted));
        },
        closed() {},
        allowed: () => true,
      };
    },
    replies(link, request, { replies }) {
      replies.add(group, request, link);
      return { closed: () => replies.remove(link), allowed: () => true };
    },
  };
}
