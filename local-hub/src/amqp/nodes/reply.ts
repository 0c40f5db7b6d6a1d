/** Replies of `$cbs` and `$management`: a status in the application properties, and maybe a map as the value. */
import { propertyKey } from '../hub-message.ts';
import { type Entry, putApplicationEntries, putProperties, putValueSection } from '../wire/compose.ts';
import { createWriter, putInt, putMap, putNull, putRaw, putString, written } from '../wire/write.ts';

export type Reply = {
  status: number;
  description: string;
  /** The AMQP condition of a refusal. */
  condition?: string;
  /** The entries of the value. */
  value?: readonly Entry[];
};

const keys = {
  status: propertyKey('status-code'),
  description: propertyKey('status-description'),
  condition: propertyKey('error-condition'),
};

/** Encodes a reply to the request with this encoded message id. */
export function writeReply(rawMessageId: Buffer | undefined, reply: Reply): Buffer {
  const { condition, value } = reply;
  const writer = createWriter();
  putProperties(writer, { rawCorrelationId: rawMessageId });
  putApplicationEntries(writer, [
    [keys.status, (w) => putInt(w, reply.status)],
    [keys.description, (w) => putString(w, reply.description)],
    ...(condition === undefined ? [] : [[keys.condition, (w) => putString(w, condition)] as Entry]),
  ]);
  putValueSection(writer);
  if (value === undefined) putNull(writer);
  else
    putMap(writer, value.length, () => {
      for (const [key, write] of value) {
        putRaw(writer, key);
        write(writer);
      }
    });
  return written(writer);
}
