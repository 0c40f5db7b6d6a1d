/**
 * Who reads which partition, per consumer group. A reader with an epoch owns its partition: it disconnects readers with the
 * same or a lower epoch, and those without one; without epochs several may read side by side (Event Hubs, "Epoch").
 */
import { type AmqpError, AmqpRefusal } from './errors.ts';

export type PartitionReader = {
  /** Undefined for a reader that shares the partition. */
  epoch: number | bigint | undefined;
  /** Its name, for the messages to others. */
  name: string;
  close(error: AmqpError): void;
};

export type PartitionReaders = {
  /** Registers a reader, closing those that it displaces. Throws AmqpRefusal. Returns how to leave. */
  enter(consumerGroup: string, partition: string, reader: PartitionReader): () => void;
};

const stolen = 'amqp:link:stolen';

/** `maxShared` readers without epoch may share a partition and consumer group; Event Hubs allows 5. */
export function createPartitionReaders(maxShared: number): PartitionReaders {
  const readers = new Map<string, Set<PartitionReader>>();

  /** Decides about a newcomer. Throws AmqpRefusal when those who are there keep it out. */
  function displacedBy(reader: PartitionReader, present: ReadonlySet<PartitionReader>): PartitionReader[] {
    const { epoch } = reader;
    const epochs = [...present].flatMap((other) => (other.epoch === undefined ? [] : [other.epoch]));
    const highest = epochs.reduce<number | bigint | undefined>(
      (most, next) => (most === undefined || next > most ? next : most),
      undefined,
    );
    if (epoch === undefined) {
      if (highest !== undefined)
        throw new AmqpRefusal(
          stolen,
          `At least one receiver for the endpoint is created with epoch of '${highest}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.`,
        );
      if (present.size >= maxShared)
        throw new AmqpRefusal(
          'amqp:resource-limit-exceeded',
          `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${maxShared}. List of connected receivers - ${[...present].map(({ name }) => name).join(', ')}.`,
        );
      return [];
    }
    if (highest !== undefined && highest > epoch)
      throw new AmqpRefusal(
        stolen,
        `Receiver '${reader.name}' with epoch '${epoch}' cannot be created, because a receiver with the higher epoch '${highest}' exists.`,
      );
    return [...present];
  }

  return {
    enter(consumerGroup, partition, reader) {
      const key = `${consumerGroup.toLowerCase()}/${partition}`;
      const present = readers.get(key) ?? new Set();
      for (const other of displacedBy(reader, present)) {
        present.delete(other);
        other.close({
          condition: stolen,
          description: `New receiver '${reader.name}' with higher epoch of '${reader.epoch}' is created hence current receiver '${other.name}' with epoch '${other.epoch ?? 0}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.`,
        });
      }
      present.add(reader);
      readers.set(key, present);
      return () => {
        present.delete(reader);
        if (present.size === 0 && readers.get(key) === present) readers.delete(key);
      };
    },
  };
}
