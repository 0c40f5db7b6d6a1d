/**
 * A durable queue from the hub to its services, with competing receivers: feedback and file notifications. Items are
 * locked while a receiver has them and die after an hour.
 */
import type { ReceiveOptions, Receiver } from './cloud-to-device.ts';

/** An item handed to a receiver, until it is settled by its lock token. */
export type FeedDelivery = {
  lockToken: string;
  sequence: number;
  deliveryCount: number;
  redelivered: boolean;
  enqueuedTimeMs: number;
  expiryTimeMs: number;
  /** JSON text, as Azure sends it in the AMQP data section. */
  body: Buffer;
};

export type FeedSettings = {
  /** Life of an item, ms. Default 1 h. */
  ttlMs: number;
  /** How long a delivered item stays invisible without being settled, ms. Default 60 s. */
  lockMs: number;
  /** How often an item may be delivered before it is dropped. Default 10. */
  maxDeliveryCount: number;
};

export type Feed = {
  /** Resolves when the item is durable. */
  publish(body: Buffer): Promise<void>;
  /** Receivers of one feed share its items; what is unsettled when one closes goes to the others at once. */
  receive(options: ReceiveOptions<FeedDelivery>): Receiver;
  /** Items in the feed, delivered but unsettled ones included. */
  pending(): number;
  /** Closes all receivers and stops the timers. */
  stop(): void;
};
