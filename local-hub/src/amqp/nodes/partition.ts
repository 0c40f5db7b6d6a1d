/**
 * `{hub}/ConsumerGroups/{group}/Partitions/{id}`: readers of a partition's events (Event Hubs AMQP protocol guide). Events
 * are sent settled, as fast as credit, window and socket allow; readers keep their place themselves.
 */
import type { StoredEvent } from '../../engine/telemetry.ts';
import type { Address } from '../address.ts';
import { AmqpRefusal } from '../errors.ts';
import { writeEvent } from '../event-message.ts';
import type { LinkRequest } from '../link-request.ts';
import type { NodeContext, OpenOutbound } from '../node-context.ts';
import { parseStartPosition } from '../start-position.ts';
import { checkEntity, findPartition } from './event-hub.ts';

const epochProperty = 'com.microsoft:epoch';
const receiverNameProperty = 'com.microsoft:receiver-name';
const runtimeMetric = 'com.microsoft:enable-receiver-runtime-metric';
/** Events fetched from the log at once. */
const batchCount = 64;

/** The epoch is a long: a number, or 8 bytes when rhea could not make one of it. */
function readEpoch({ properties }: LinkRequest): number | bigint | undefined {
  const epoch = properties[epochProperty];
  if (epoch === undefined || epoch === null || typeof epoch === 'number') return epoch ?? undefined;
  if (Buffer.isBuffer(epoch) && epoch.length === 8) return epoch.readBigInt64BE(0);
  throw new AmqpRefusal('com.microsoft:argument-error', 'The epoch must be a long');
}

function check(address: Address & { kind: 'partition' }, context: NodeContext): number {
  const { entity, consumerGroup, partition } = address;
  const path = `${entity}/ConsumerGroups/${consumerGroup}/Partitions/${partition}`;
  if (!context.claims.allows('ServiceConnect', path))
    throw new AmqpRefusal(
      'amqp:unauthorized-access',
      `No token was put to $cbs for '${path.slice(0, 200)}'.`,
    );
  checkEntity(entity, context);
  if (!context.consumerGroups.has(consumerGroup.toLowerCase()))
    throw new AmqpRefusal(
      'amqp:not-found',
      `The messaging entity '${entity}/ConsumerGroups/${consumerGroup.slice(0, 100)}' could not be found.`,
    );
  const index = findPartition(partition, context);
  if (index === undefined)
    throw new AmqpRefusal(
      'com.microsoft:argument-out-of-range',
      `The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and ${context.engine.telemetry.partitionIds.length - 1}.`,
    );
  return index;
}

/** Opens a reader; the address must be of a partition. */
export const openPartition =
  (address: Address & { kind: 'partition' }): OpenOutbound =>
  (link, request, context) => {
    const { engine, clock } = context;
    const partition = check(address, context);
    const epoch = readEpoch(request);
    const cursor = engine.telemetry.open(partition, parseStartPosition(request.selector));
    const receiverName = request.properties[receiverNameProperty];
    let leave: () => void;
    try {
      leave = context.readers.enter(address.consumerGroup, address.partition, {
        epoch,
        name: typeof receiverName === 'string' ? receiverName : 'nil',
        close: link.close,
      });
    } catch (error) {
      cursor.close();
      throw error;
    }
    const stop = cursor.onAvailable(link.wake);
    const wantsRuntime = request.desiredCapabilities.includes(runtimeMetric);
    const path = `${address.entity}/ConsumerGroups/${address.consumerGroup}/Partitions/${address.partition}`;
    let batch: StoredEvent[] = [];
    let next = 0;

    return {
      next() {
        if (next === batch.length) {
          batch = cursor.read(batchCount);
          next = 0;
        }
        const event = batch[next];
        if (event === undefined) return undefined;
        next += 1;
        const runtime = wantsRuntime
          ? { info: engine.telemetry.info(partition), nowMs: clock.now() }
          : undefined;
        return { payload: writeEvent(event, runtime) };
      },
      closed() {
        stop();
        cursor.close();
        leave();
        batch = [];
      },
      allowed: () => context.claims.allows('ServiceConnect', path),
    };
  };
