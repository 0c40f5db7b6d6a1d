/** PUBACK (MQTT 3.1.1 §3.4): the device has received a cloud-to-device message, which completes it. */
import type { IPubackPacket } from 'mqtt-packet';
import type { DevicePeer } from './device-peer.ts';

/** Handles PUBACK. Identifiers of an earlier connection that were not sent again on this one are ignored. */
export function handlePuback(peer: DevicePeer, packet: IPubackPacket): void {
  peer.deliveries?.acknowledge(packet.messageId ?? 0);
}
