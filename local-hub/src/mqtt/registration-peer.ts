/**
 * A client of the Device Provisioning Service: it subscribes to its answers, asks to be registered, and polls until it is.
 * "Communicate with DPS using the MQTT protocol".
 */
import type { IPublishPacket, ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet';
import type { RegistrationAnswer, RegistrationCaller } from '../dps/provisioning.ts';
import { bodyOf } from './body.ts';
import { type Connection, refuse, send } from './connection.ts';
import { grantedQos, subscriptionFailure } from './subscribe.ts';
import { parseRequestTopic, parseTopicFilter, registrationResponseTopic } from './topics.ts';

export type RegistrationPeer = {
  readonly kind: 'registration';
  readonly connection: Connection;
  /** Who asks, with the proof that came with CONNECT. */
  readonly caller: RegistrationCaller;
  /** The QoS of the answers: as subscribed, 0 before. */
  qos: 0 | 1;
  /** Of the last answer; answers are few and are not sent again, so identifiers just count up. */
  lastPacketId: number;
};

const maxPacketId = 65_535;

function sendAnswer(peer: RegistrationPeer, requestId: string, answer: RegistrationAnswer): void {
  const { status, body, retryAfterSeconds } = answer;
  const topic = registrationResponseTopic(status, requestId, retryAfterSeconds);
  const base = { cmd: 'publish', topic, payload: JSON.stringify(body), dup: false, retain: false } as const;
  if (peer.qos === 0) send(peer.connection, { ...base, qos: 0 });
  else {
    peer.lastPacketId = (peer.lastPacketId % maxPacketId) + 1;
    send(peer.connection, { ...base, qos: 1, messageId: peer.lastPacketId });
  }
}

/** Handles PUBLISH: a request to be registered, or the question how far that is. */
export async function handleRegistrationPublish(
  peer: RegistrationPeer,
  packet: IPublishPacket,
): Promise<void> {
  const { connection, caller } = peer;
  const { provisioning } = connection.context;
  if (packet.qos === 2) {
    refuse(connection, 'the provisioning service does not support QoS 2', 'Publish with QoS 0 or 1');
    return;
  }
  const topic = parseRequestTopic(packet.topic, '');
  if (topic.kind !== 'register' && topic.kind !== 'registration-status') {
    refuse(connection, `it published to ${packet.topic}, but is connected to the provisioning service`);
    return;
  }
  const { acknowledgements } = connection;
  const owed = acknowledgements.owe(packet.messageId ?? 0, 0);
  const answer =
    topic.kind === 'register'
      ? await provisioning.register(caller, bodyOf(packet))
      : await provisioning.status(caller, topic.operationId);
  acknowledgements.settle(owed);
  sendAnswer(peer, topic.requestId, answer);
}

/** Handles SUBSCRIBE: only the answers can be subscribed to. */
export function handleRegistrationSubscribe(peer: RegistrationPeer, packet: ISubscribePacket): void {
  const granted = packet.subscriptions.map(({ topic, qos }) => {
    if (parseTopicFilter(topic, '') !== 'registrations') return subscriptionFailure;
    peer.qos = grantedQos(qos);
    return peer.qos;
  });
  send(peer.connection, { cmd: 'suback', messageId: packet.messageId ?? 0, granted });
}

/** Handles UNSUBSCRIBE [MQTT-3.10.4-4]. */
export function handleRegistrationUnsubscribe(peer: RegistrationPeer, packet: IUnsubscribePacket): void {
  send(peer.connection, { cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
}
