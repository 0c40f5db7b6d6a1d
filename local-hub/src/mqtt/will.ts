/** The will of a CONNECT packet (MQTT 3.1.1 §3.1.2.5), which IoT Hub publishes as telemetry. */
import type { IConnectPacket } from 'mqtt-packet';
import type { HubMessage } from '../engine/message.ts';
import { bodyOf } from './body.ts';
import { telemetryMessage } from './telemetry.ts';
import { parseRequestTopic } from './topics.ts';

/** "The message has the iothub-MessageType property with a value of Will assigned to it." */
const messageTypeProperty = 'iothub-MessageType';

export type Will = { message: HubMessage | undefined } | { refused: string };

/** Reads the will; `message` is undefined when there is none. */
export function readWill({ will }: IConnectPacket, deviceId: string): Will {
  if (will === undefined) return { message: undefined };
  const topic = parseRequestTopic(will.topic, deviceId);
  if (topic.kind !== 'events')
    return { refused: `the will must go to devices/${deviceId}/messages/events/, not to ${will.topic}` };
  if (will.qos === 2) return { refused: 'IoT Hub does not support QoS 2, which the will asks for' };
  const message = telemetryMessage(topic.bag, bodyOf(will), will.retain ?? false);
  if (message === undefined) return { refused: "the property bag in the will's topic is not URL-encoded" };
  message.properties[messageTypeProperty] = 'Will';
  return { message };
}
