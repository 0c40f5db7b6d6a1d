/** Which handler takes which packet, in which phase of a connection. */
import type { Packet } from 'mqtt-packet';
import { handleConnect, refuseConnect } from './connect.ts';
import { attend, type Connection, refuse } from './connection.ts';
import type { MalformedPacket } from './decode.ts';
import type { DevicePeer } from './device-peer.ts';
import { handleDisconnect } from './disconnect.ts';
import { handlePingreq } from './pingreq.ts';
import { handlePuback } from './puback.ts';
import { handlePublish } from './publish.ts';
import {
  handleRegistrationPublish,
  handleRegistrationSubscribe,
  handleRegistrationUnsubscribe,
  type RegistrationPeer,
} from './registration-peer.ts';
import { handleSubscribe } from './subscribe.ts';
import { handleUnsubscribe } from './unsubscribe.ts';

function refusePacket(connection: Connection, { cmd }: Packet): void {
  const reason =
    cmd === 'pubrec' || cmd === 'pubrel' || cmd === 'pubcomp'
      ? 'IoT Hub does not support QoS 2'
      : `a client may not send ${cmd.toUpperCase()} here`;
  refuse(connection, reason);
}

function dispatchToDevice(peer: DevicePeer, packet: Packet): void {
  const { connection } = peer;
  peer.session.touch();
  switch (packet.cmd) {
    case 'publish':
      handlePublish(peer, packet);
      return;
    case 'puback':
      handlePuback(peer, packet);
      return;
    case 'subscribe':
      attend(connection, handleSubscribe(peer, packet));
      return;
    case 'unsubscribe':
      attend(connection, handleUnsubscribe(peer, packet));
      return;
    case 'pingreq':
      handlePingreq(connection);
      return;
    case 'disconnect':
      handleDisconnect(connection);
      return;
    default:
      refusePacket(connection, packet);
  }
}

function dispatchToRegistration(peer: RegistrationPeer, packet: Packet): void {
  const { connection } = peer;
  switch (packet.cmd) {
    case 'publish':
      attend(connection, handleRegistrationPublish(peer, packet));
      return;
    case 'puback':
      return;
    case 'subscribe':
      handleRegistrationSubscribe(peer, packet);
      return;
    case 'unsubscribe':
      handleRegistrationUnsubscribe(peer, packet);
      return;
    case 'pingreq':
      handlePingreq(connection);
      return;
    case 'disconnect':
      handleDisconnect(connection);
      return;
    default:
      refusePacket(connection, packet);
  }
}

/** Handles one packet. Returns a promise only for CONNECT: no further packet may be handled before it is settled. */
export function dispatch(
  connection: Connection,
  packet: Packet | MalformedPacket,
): Promise<void> | undefined {
  const { phase } = connection;
  if (packet.cmd === 'malformed') {
    if (packet.returnCode !== undefined && phase.kind === 'opened')
      refuseConnect(connection, packet.returnCode, packet.reason);
    else refuse(connection, `a packet is malformed: ${packet.reason}`);
    return undefined;
  }
  switch (phase.kind) {
    case 'opened':
      if (packet.cmd === 'connect') return handleConnect(connection, packet, phase.clientCertificate);
      refuse(connection, `the first packet was ${packet.cmd.toUpperCase()}, not CONNECT [MQTT-3.1.0-1]`);
      return undefined;
    case 'device':
      dispatchToDevice(phase, packet);
      return undefined;
    case 'registration':
      dispatchToRegistration(phase, packet);
      return undefined;
    default:
      return undefined;
  }
}
