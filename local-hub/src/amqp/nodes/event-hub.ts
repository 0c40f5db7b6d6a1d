/** Names in the Event Hubs compatible endpoint. */
import { AmqpRefusal } from '../errors.ts';
import type { HubContext } from '../node-context.ts';

/** The name under which older SDKs reach the endpoint through the IoT hub itself. */
const hubAlias = 'messages/events';

/** Throws AmqpRefusal `amqp:not-found` for any other event hub than this hub's. */
export function checkEntity(entity: string, { eventHubName }: HubContext): void {
  const name = entity.toLowerCase();
  if (name === eventHubName.toLowerCase() || name === hubAlias) return;
  throw new AmqpRefusal(
    'amqp:not-found',
    `The messaging entity "${entity.slice(0, 100)}" could not be found: the EntityPath is ${eventHubName}`,
  );
}

/** The number of a partition, or undefined when there is none with this id. */
export function findPartition(id: string, { engine }: HubContext): number | undefined {
  const index = engine.telemetry.partitionIds.indexOf(id);
  return index === -1 ? undefined : index;
}
