/** Many idle MQTT connections that log in as the device SDK does, from one process, to weigh what each costs the server. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import mqtt from 'mqtt-packet';
import { answerRequests } from '../processes.ts';

type Request = { connectionStrings: string[]; ca: string; inParallel: number };

const open: TLSSocket[] = [];

answerRequests(async (request: Request) => {
  const started = performance.now();
  const left = [...request.connectionStrings];
  const lane = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      open.push(await connectDevice(parse(next), request.ca));
    }
  };
  await Promise.all(Array.from({ length: request.inParallel }, lane));
  return { connections: open.length, elapsedMs: performance.now() - started };
});

type Device = { hostName: string; deviceId: string; key: string };

function parse(connectionString: string): Device {
  const field = (name: string): string =>
    new RegExp(`(?:^|;)${name}=([^;]*)`).exec(connectionString)?.[1] ?? '';
  return { hostName: field('HostName'), deviceId: field('DeviceId'), key: field('SharedAccessKey') };
}

/** Resolves once the server has accepted the device and granted its subscription. */
async function connectDevice({ hostName, deviceId, key }: Device, ca: string): Promise<TLSSocket> {
  const socket = connect({ port: Number(hostName.split(':')[1]), host: 'localhost', ca });
  await once(socket, 'secureConnect');
  const parser = mqtt.parser();
  socket.on('data', (chunk) => parser.parse(chunk));
  const expiry = Math.floor(Date.now() / 1000) + 86_400;
  const resource = encodeURIComponent(`${hostName}/devices/${deviceId}`);
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(`${resource}\n${expiry}`)
    .digest('base64');
  const answered = (command: string): Promise<void> =>
    new Promise((resolve, reject) => {
      parser.once('packet', (packet: mqtt.Packet) => {
        if (packet.cmd === command && !('returnCode' in packet && packet.returnCode)) resolve();
        else reject(new Error(`${deviceId}: the server answered ${JSON.stringify(packet)}`));
      });
      socket.once('error', reject);
    });
  const connected = answered('connack');
  const login: mqtt.IConnectPacket = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: false,
    keepalive: 1_700,
    clientId: deviceId,
    username: `${hostName}/${deviceId}/?api-version=2021-04-12`,
    password: Buffer.from(
      `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`,
    ),
  };
  mqtt.writeToStream(login, socket);
  await connected;
  const subscribed = answered('suback');
  mqtt.writeToStream(
    {
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: `devices/${deviceId}/messages/devicebound/#`, qos: 1 }],
    },
    socket,
  );
  await subscribed;
  return socket;
}
