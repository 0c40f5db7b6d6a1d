/**
 * SUBSCRIBE (MQTT 3.1.1 §3.8). The subscriptions of a persistent session are durable before they are acknowledged.
 */
import type { ISubscribePacket } from 'mqtt-packet';
import { refuse, send } from './connection.ts';
import { applySubscriptions, type DevicePeer } from './device-peer.ts';
import { reasonOf } from './refusals.ts';
import type { Subscription } from './sessions.ts';
import { parseTopicFilter } from './topics.ts';

/** SUBACK's return code for a filter that was refused [MQTT-3.9.3-2]. */
export const subscriptionFailure = 0x80;

/** "IoT Hub grants maximum QoS level 1 in the SUBACK packet." */
export const grantedQos = (requested: number): 0 | 1 => (requested === 0 ? 0 : 1);

/** Handles a device's SUBSCRIBE. A known filter replaces an equal one [MQTT-3.8.4-3]. */
export async function handleSubscribe(peer: DevicePeer, packet: ISubscribePacket): Promise<void> {
  const { connection, session } = peer;
  const { log, sessions, settings } = connection.context;
  const subscriptions = new Map(peer.subscriptions.map(({ filter, qos }) => [filter, qos]));
  const granted = packet.subscriptions.map(({ topic: filter, qos: requested }) => {
    if (parseTopicFilter(filter, session.deviceId) === undefined) {
      log.warn({
        what: 'MQTT subscription refused',
        deviceId: session.deviceId,
        reason: `IoT Hub does not know the topic filter ${filter}`,
      });
      return subscriptionFailure;
    }
    const qos = grantedQos(requested);
    subscriptions.set(filter, qos);
    return qos;
  });
  if (subscriptions.size > settings.maxSubscriptions) {
    refuse(connection, `IoT Hub allows ${settings.maxSubscriptions} subscriptions`, 'Unsubscribe first');
    return;
  }
  peer.subscriptions = [...subscriptions].map(([filter, qos]): Subscription => ({ filter, qos }));
  try {
    if (peer.persistent) await sessions.save(session.deviceId, peer.subscriptions);
  } catch (error) {
    refuse(connection, `its subscriptions could not be stored: ${reasonOf(error)}`);
    return;
  }
  send(connection, { cmd: 'suback', messageId: packet.messageId ?? 0, granted });
  applySubscriptions(peer);
}
