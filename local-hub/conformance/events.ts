/** What reached the built-in Event Hubs endpoint, read with the unmodified consumer client from the beginning of every partition. */
import { earliestEventPosition, type ReceivedEventData } from '@azure/event-hubs';
import type { Endpoint } from './endpoint.ts';
import { type Arrivals, createArrivals } from './expect.ts';
import { createConsumer } from './sdk.ts';

export type EventTap = Arrivals<ReceivedEventData> & {
  /** The first event with this message id, past or future. */
  byId(messageId: string): Promise<ReceivedEventData>;
  /** The events of one device so far, in the order of its partition. */
  of(deviceId: string): ReceivedEventData[];
};

/** Reads for as long as the hub runs. Bodies arrive as the bytes that were sent. */
export function tapEvents(hub: Endpoint): EventTap {
  const arrivals = createArrivals<ReceivedEventData>('event');
  const consumer = createConsumer(hub);
  const subscription = consumer.subscribe(
    {
      processEvents: async (events) => {
        for (const event of events) arrivals.add(event);
      },
      // The SDK goes on by itself after each error; a test that waits for an event in vain says so.
      processError: async () => {},
    },
    {
      startPosition: earliestEventPosition,
      skipParsingBodyAsJson: true,
      maxWaitTimeInSeconds: 1,
      maxBatchSize: 300,
    },
  );
  hub.onStop(() => subscription.close());
  return {
    ...arrivals,
    byId: (messageId) => arrivals.find((event) => event.messageId === messageId),
    of: (deviceId) => arrivals.all.filter((event) => deviceOf(event) === deviceId),
  };
}

/** The device that IoT Hub says an event comes from. */
export function deviceOf(event: ReceivedEventData): unknown {
  return event.systemProperties?.['iothub-connection-device-id'];
}
