/**
 * PUBLISH (MQTT 3.1.1 §3.3) from a device: the topic says which of IoT Hub's functions it calls.
 */
import type { IPublishPacket } from 'mqtt-packet';
import { bodyOf } from './body.ts';
import { refuse } from './connection.ts';
import type { DevicePeer } from './device-peer.ts';
import { reasonOf } from './refusals.ts';
import { takeTelemetry } from './telemetry.ts';
import { parseRequestTopic } from './topics.ts';
import { answerTwinGet, answerTwinPatch } from './twin-requests.ts';

/** Hands a direct method's answer to whoever waits for it. */
function takeMethodResponse(
  { connection, session }: DevicePeer,
  packet: IPublishPacket,
  { requestId, status }: { requestId: string; status: number },
): void {
  const { acknowledgements, context } = connection;
  try {
    context.engine.methods.respond(session, requestId, status, bodyOf(packet));
  } catch (error) {
    refuse(connection, `the response to a direct method was refused: ${reasonOf(error)}`);
    return;
  }
  acknowledgements.settle(acknowledgements.owe(packet.messageId ?? 0, 0));
}

/** Handles a device's PUBLISH. What IoT Hub does not support closes the connection. */
export function handlePublish(peer: DevicePeer, packet: IPublishPacket): void {
  const { connection, session } = peer;
  // "If a device app publishes a message with QoS 2, IoT Hub closes the network connection."
  if (packet.qos === 2) {
    refuse(connection, 'IoT Hub does not support QoS 2', 'Publish with QoS 0 or 1');
    return;
  }
  const topic = parseRequestTopic(packet.topic, session.deviceId);
  switch (topic.kind) {
    case 'events':
      takeTelemetry(peer, packet, topic.bag);
      return;
    case 'twin-get':
      answerTwinGet(peer, packet.messageId ?? 0, topic.requestId);
      return;
    case 'twin-patch':
      answerTwinPatch(peer, packet, topic);
      return;
    case 'method-response':
      takeMethodResponse(peer, packet, topic);
      return;
    case 'refused':
      refuse(connection, `it published to ${packet.topic}: ${topic.reason}`);
      return;
    default:
      refuse(connection, `it published to ${packet.topic}, but is connected as a device`);
  }
}
