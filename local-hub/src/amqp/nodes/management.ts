/**
 * `$management` of the Event Hubs compatible endpoint: what the hub and its partitions hold (Event Hubs AMQP protocol
 * guide, "AMQP management").
 */
import { AmqpRefusal, expectedError, toStatusCode } from '../errors.ts';
import { propertyKey } from '../hub-message.ts';
import type { NodeContext } from '../node-context.ts';
import type { Entry } from '../wire/compose.ts';
import type { AmqpMessage } from '../wire/message.ts';
import { putBoolean, putInt, putLong, putString, putStrings, putTimestamp } from '../wire/write.ts';
import { checkEntity, findPartition } from './event-hub.ts';
import type { Reply } from './reply.ts';
import { requestNode } from './request-reply.ts';

const entry = (name: string, write: Entry[1]): Entry => [propertyKey(name), write];

/** The token in the request decides, as in Event Hubs; that of `$cbs` only opens the links. */
function authorize({ applicationProperties }: AmqpMessage, context: NodeContext): void {
  const token = applicationProperties.get('security_token');
  if (typeof token !== 'string')
    throw new AmqpRefusal('amqp:unauthorized-access', 'The property security_token is missing');
  context.engine.authentication.authorizePolicy({
    token,
    resource: `sb://host/${context.eventHubName}`,
    need: 'ServiceConnect',
    dialect: 'eventhub',
    via: { protocol: context.protocol, remote: context.remote },
  });
}

function readEventHub({ engine, eventHubName }: NodeContext): Entry[] {
  const { partitionIds, createdMs } = engine.telemetry;
  return [
    entry('name', (w) => putString(w, eventHubName)),
    entry('type', (w) => putString(w, 'com.microsoft:eventhub')),
    entry('created_at', (w) => putTimestamp(w, createdMs)),
    entry('partition_count', (w) => putInt(w, partitionIds.length)),
    entry('partition_ids', (w) => putStrings(w, partitionIds)),
  ];
}

function readPartition(message: AmqpMessage, context: NodeContext): Entry[] {
  const id = String(message.applicationProperties.get('partition'));
  const partition = findPartition(id, context);
  if (partition === undefined)
    throw new AmqpRefusal(
      'amqp:not-found',
      `The messaging entity '${context.eventHubName}|${id.slice(0, 40)}' could not be found.`,
    );
  const info = context.engine.telemetry.info(partition);
  const nowMs = context.clock.now();
  return [
    entry('name', (w) => putString(w, context.eventHubName)),
    entry('type', (w) => putString(w, 'com.microsoft:partition')),
    entry('partition', (w) => putString(w, id)),
    entry('begin_sequence_number', (w) => putLong(w, info.beginningSequenceNumber)),
    entry('last_enqueued_sequence_number', (w) => putLong(w, info.lastSequenceNumber)),
    entry('last_enqueued_offset', (w) => putString(w, info.lastOffset)),
    entry('last_enqueued_time_utc', (w) => putTimestamp(w, info.lastEnqueuedTimeMs)),
    entry('runtime_info_retrieval_time_utc', (w) => putTimestamp(w, nowMs)),
    entry('is_partition_empty', (w) => putBoolean(w, info.isEmpty)),
  ];
}

function answer(message: AmqpMessage, context: NodeContext): Reply {
  const { applicationProperties } = message;
  authorize(message, context);
  if (String(applicationProperties.get('operation')).toUpperCase() !== 'READ')
    throw new AmqpRefusal('amqp:not-implemented', 'The operation must be READ');
  checkEntity(String(applicationProperties.get('name')), context);
  const type = applicationProperties.get('type');
  if (type === 'com.microsoft:eventhub')
    return { status: 200, description: 'OK', value: readEventHub(context) };
  if (type === 'com.microsoft:partition')
    return { status: 200, description: 'OK', value: readPartition(message, context) };
  throw new AmqpRefusal('amqp:not-implemented', `The type "${String(type).slice(0, 80)}" cannot be read`);
}

function refuse(error: unknown, context: NodeContext): Reply {
  const expected = expectedError(error);
  if (expected === undefined) context.onBug(error);
  const { condition = 'amqp:internal-error', description = 'The hub failed' } = expected ?? {};
  return { status: toStatusCode(error), description, condition };
}

export const management = requestNode({ group: 'management', answer, refuse });
