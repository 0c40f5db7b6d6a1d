/** A bare MQTT client that can do what the SDK would never do. */
import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import mqtt, { type IConnectPacket, type Packet } from 'mqtt-packet';
import type { Endpoint } from './endpoint.ts';
import { type Arrivals, createArrivals, within } from './expect.ts';

export type RawMqtt = {
  socket: TLSSocket;
  packets: Arrivals<Packet>;
  /** Sends packets in one write. */
  send(...packets: Packet[]): void;
  /** The next packet of a kind, past or future. */
  packet<Kind extends Packet['cmd']>(kind: Kind): Promise<Extract<Packet, { cmd: Kind }>>;
  /** Resolves when the hub has closed the connection. */
  closed(): Promise<void>;
};

/** Opens TLS without saying anything yet. It is destroyed when the hub stops. */
export async function openRaw(hub: Endpoint): Promise<RawMqtt> {
  const socket = connectTls({ host: 'localhost', port: hub.port, ca: hub.caPem });
  hub.onStop(async () => void socket.destroy());
  const packets = createArrivals<Packet>('packet');
  const parser = mqtt.parser();
  parser.on('packet', (packet: Packet) => packets.add(packet));
  socket.on('data', (chunk) => parser.parse(chunk));
  socket.on('error', () => {});
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await within('TLS', once(socket, 'secureConnect'));
  return {
    socket,
    packets,
    send: (...list) => void socket.write(Buffer.concat(list.map((packet) => mqtt.generate(packet)))),
    packet: async <Kind extends Packet['cmd']>(kind: Kind) =>
      (await packets.find((packet) => packet.cmd === kind)) as Extract<Packet, { cmd: Kind }>,
    closed: () => within('the connection to close', ended),
  };
}

/** The CONNECT that the SDK would send for this device, with `changes`. */
export function connectPacket(
  hub: Endpoint,
  deviceId: string,
  changes: Partial<IConnectPacket> = {},
): IConnectPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: false,
    clientId: deviceId,
    username: `${hub.hostName}/${deviceId}/?api-version=2021-04-12&DeviceClientType=raw`,
    password: Buffer.from(hub.deviceToken(deviceId)),
    keepalive: 180,
    ...changes,
  };
}

/** A connection that the hub has accepted. */
export async function connectRaw(
  hub: Endpoint,
  deviceId: string,
  changes: Partial<IConnectPacket> = {},
): Promise<RawMqtt> {
  const raw = await openRaw(hub);
  raw.send(connectPacket(hub, deviceId, changes));
  const { returnCode } = await raw.packet('connack');
  if (returnCode !== 0) throw new Error(`${deviceId} was refused with ${returnCode}`);
  return raw;
}
