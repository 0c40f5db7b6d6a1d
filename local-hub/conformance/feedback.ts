/** What the service SDK hears of commands that were asked to report their fate. */
import type common from 'azure-iot-common';
import type iothub from 'azure-iothub';
import { type Arrivals, createArrivals } from './expect.ts';

/** As IoT Hub writes it ("Cloud-to-device message feedback"). */
export type FeedbackRecord = {
  originalMessageId: string;
  statusCode: 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged';
  description: string;
  deviceId: string;
  deviceGenerationId: string;
  enqueuedTimeUtc: string;
};

/** The records that reach `service` from now on, one by one. */
export async function feedbackOf(service: iothub.Client): Promise<Arrivals<FeedbackRecord>> {
  const records = createArrivals<FeedbackRecord>('feedback record');
  const { result: receiver } = await service.getFeedbackReceiver();
  receiver.on('message', (message: common.Message) => {
    const batch = JSON.parse(message.getData().toString()) as FeedbackRecord[];
    for (const record of batch) records.add(record);
  });
  return records;
}
