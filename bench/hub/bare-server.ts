/**
 * The peer that the local hub is measured against: the same codecs (mqtt-packet, rhea) over the same TLS, and nothing else. It
 * accepts anybody, keeps nothing on disk, acknowledges at once and forwards each C2D message straight to the device's socket.
 */
import { createServer, type TLSSocket } from 'node:tls';
import mqtt from 'mqtt-packet';
import rhea, { type Connection, type EventContext, type Message } from 'rhea';

/** What a packet of a client asks of this server; the fields that are read here. */
type Packet = mqtt.Packet & { clientId?: string; topic?: string; qos?: number };

/** Starts the server on a free port of localhost and answers the port. */
export async function startBareServer(tls: { key: string; cert: string }): Promise<number> {
  const devices = new Map<string, (body: Buffer) => void>();
  const container = createAmqp((deviceId, body) => devices.get(deviceId)?.(body));
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const head = socket.read() as Buffer | null;
      if (head === null) return;
      socket.unshift(head);
      if (head[0] === 0x10) serveMqtt(socket, devices);
      else (container.create_connection() as Connection & { accept(socket: TLSSocket): void }).accept(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as { port: number }).port;
}

function serveMqtt(socket: TLSSocket, devices: Map<string, (body: Buffer) => void>): void {
  const parser = mqtt.parser();
  let messageId = 0;
  parser.on('packet', (packet: Packet) => {
    if (packet.cmd === 'connect') {
      const deviceId = packet.clientId;
      mqtt.writeToStream({ cmd: 'connack', returnCode: 0, sessionPresent: false }, socket);
      devices.set(deviceId, (body) => {
        messageId = (messageId % 65_535) + 1;
        const topic = `devices/${deviceId}/messages/devicebound/%24.to=%2Fdevices%2F${deviceId}%2Fmessages%2Fdevicebound`;
        mqtt.writeToStream(
          { cmd: 'publish', topic, payload: body, qos: 1, messageId, dup: false, retain: false },
          socket,
        );
      });
    } else if (packet.cmd === 'subscribe') {
      const granted = packet.subscriptions.map(() => 1);
      mqtt.writeToStream({ cmd: 'suback', messageId: packet.messageId ?? 1, granted }, socket);
    } else if (packet.cmd === 'publish' && packet.qos === 1 && packet.messageId !== undefined) {
      mqtt.writeToStream({ cmd: 'puback', messageId: packet.messageId }, socket);
    } else if (packet.cmd === 'pingreq') {
      mqtt.writeToStream({ cmd: 'pingresp' }, socket);
    } else if (packet.cmd === 'disconnect') {
      socket.end();
    }
  });
  socket.on('data', (chunk) => parser.parse(chunk));
}

function createAmqp(forward: (deviceId: string, body: Buffer) => void): rhea.Container {
  const container = rhea.create_container({ max_frame_size: 65_536 });
  container.sasl_server_mechanisms.enable_anonymous();
  const replies = new Map<Connection, rhea.Sender>();
  container.on('sender_open', (context: EventContext) => {
    if (context.sender?.source.address === '$cbs') replies.set(context.connection, context.sender);
  });
  container.on('connection_open', (context: EventContext) => context.connection.open());
  container.on('message', (context: EventContext) => {
    const message = context.message as Message;
    if (context.receiver?.target.address === '$cbs') {
      const status = { 'status-code': 200, 'status-description': 'OK' };
      replies.get(context.connection)?.send({
        ...(message.message_id === undefined ? {} : { correlation_id: message.message_id }),
        application_properties: status,
        body: '',
      });
      return;
    }
    const deviceId = String(message.to).split('/')[2] ?? '';
    forward(deviceId, (message.body as { content: Buffer }).content);
  });
  return container;
}
