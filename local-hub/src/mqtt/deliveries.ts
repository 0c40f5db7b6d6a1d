/**
 * Cloud-to-device messages on their way to one client: at most a window of them unacknowledged, none while the client does not
 * read. A message keeps its packet identifier for ever, so that it is sent again under the same one [MQTT-4.4.0-1].
 */
import type { IPublishPacket } from 'mqtt-packet';
import type { Log } from '../diagnostics.ts';
import type { CloudToDevice, Delivery } from '../engine/cloud-to-device.ts';
import { isHubError } from '../engine/error.ts';
import { formatPropertyBag } from './property-bag.ts';
import { reasonOf } from './refusals.ts';
import { deviceboundTopic } from './topics.ts';

export type Deliveries = {
  /**
   * The QoS that the client was granted. Undefined when it unsubscribed: then nothing new is delivered, and what was sent may
   * still be acknowledged [MQTT-3.10.4-3].
   */
  setQos(qos: 0 | 1 | undefined): void;
  /** The client acknowledged a message: it is complete. Unknown identifiers are ignored. */
  acknowledge(packetId: number): void;
  /** The client has read what was written. */
  resume(): void;
  /** The link is gone: what is not acknowledged goes back to the queue. */
  close(): void;
};

export type DeliveriesOptions = {
  cloudToDevice: CloudToDevice;
  deviceId: string;
  window: number;
  qos: 0 | 1;
  log: Log;
  send(packet: IPublishPacket): void;
  /** True when so much is unsent that deliveries must wait for `resume`. */
  isCongested(): boolean;
};

const packetIdCount = 65_535;
const maxTopicBytes = 65_535;

/** Starts delivering. */
export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { cloudToDevice, deviceId, window, log, send, isCongested } = options;
  const lockTokens = new Map<number, string>();
  let qos: 0 | 1 | undefined = options.qos;
  let paused = false;

  /** Derived from the message's place in the queue, and thus the same after a reconnection or a restart of the hub. */
  function packetIdOf(sequence: number): number {
    let packetId = (sequence % packetIdCount) + 1;
    while (lockTokens.has(packetId)) packetId = (packetId % packetIdCount) + 1;
    return packetId;
  }

  function settle(outcome: 'complete' | 'reject', lockToken: string): void {
    receiver[outcome](lockToken).catch((error: unknown) => {
      // A message that was purged or has expired meanwhile needs no acknowledgement any more.
      if (isHubError(error, 'LockLost')) return;
      log.warn({
        what: 'Cloud-to-device message not settled',
        deviceId,
        reason: reasonOf(error),
        next: 'It will be delivered again',
      });
    });
  }

  function deliver(delivery: Delivery): void {
    const { lockToken, message, redelivered, sequence } = delivery;
    const topic = deviceboundTopic(deviceId, formatPropertyBag(message));
    if (Buffer.byteLength(topic) > maxTopicBytes) {
      log.warn({
        what: 'Cloud-to-device message rejected',
        deviceId,
        reason: 'its properties do not fit into an MQTT topic of 65,535 bytes',
        next: 'Send fewer or shorter properties',
      });
      settle('reject', lockToken);
      return;
    }
    const base = { cmd: 'publish', topic, payload: message.body, retain: false } as const;
    if (qos === 0) {
      send({ ...base, qos: 0, dup: false });
      settle('complete', lockToken);
    } else {
      const messageId = packetIdOf(sequence);
      lockTokens.set(messageId, lockToken);
      send({ ...base, qos: 1, dup: redelivered, messageId });
    }
    if (!paused && isCongested()) {
      paused = true;
      adjustWindow();
    }
  }

  function adjustWindow(): void {
    receiver.setWindow(paused || qos === undefined ? 0 : window);
  }

  const receiver = cloudToDevice.receive(deviceId, { window, lock: 'link', deliver });

  return {
    setQos(granted) {
      qos = granted;
      adjustWindow();
    },
    acknowledge(packetId) {
      const lockToken = lockTokens.get(packetId);
      if (lockToken === undefined) return;
      lockTokens.delete(packetId);
      settle('complete', lockToken);
    },
    resume() {
      if (!paused) return;
      paused = false;
      adjustWindow();
    },
    close: () => receiver.close(),
  };
}
