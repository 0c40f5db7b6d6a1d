/** UNSUBSCRIBE (MQTT 3.1.1 §3.10). */
import type { IUnsubscribePacket } from 'mqtt-packet';
import { refuse, send } from './connection.ts';
import { applySubscriptions, type DevicePeer } from './device-peer.ts';
import { reasonOf } from './refusals.ts';

/** Handles a device's UNSUBSCRIBE; it is acknowledged even when nothing matched [MQTT-3.10.4-5]. */
export async function handleUnsubscribe(peer: DevicePeer, packet: IUnsubscribePacket): Promise<void> {
  const { connection, session } = peer;
  const removed = new Set(packet.unsubscriptions);
  peer.subscriptions = peer.subscriptions.filter(({ filter }) => !removed.has(filter));
  applySubscriptions(peer);
  try {
    if (peer.persistent) await connection.context.sessions.save(session.deviceId, peer.subscriptions);
  } catch (error) {
    refuse(connection, `its subscriptions could not be stored: ${reasonOf(error)}`);
    return;
  }
  // The type of the codec asks for the return codes of MQTT 5, which are not written in MQTT 3.1.1.
  send(connection, { cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
}
