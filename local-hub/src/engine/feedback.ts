/**
 * Feedback about how cloud-to-device messages ended: records, batched into one message at 64 records or after 15 s
 * (iot-hub-devguide-messages-c2d, "Message feedback").
 */

export type FeedbackStatus = 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged';

/** One entry of a feedback message, in the words of Azure's JSON. */
export type FeedbackRecord = {
  originalMessageId: string;
  /** When the message came to its end, ISO 8601. */
  enqueuedTimeUtc: string;
  statusCode: FeedbackStatus;
  description: string;
  deviceId: string;
  deviceGenerationId: string;
};

export type FeedbackSettings = {
  /** Default 64. */
  maxRecords: number;
  /** The longest that a record waits for others, ms. Default 15 s. */
  maxWaitMs: number;
};
