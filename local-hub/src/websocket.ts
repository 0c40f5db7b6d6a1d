/**
 * MQTT and AMQP over WebSocket: turns an upgrade request into a byte stream for the front-end that its sub-protocol names.
 * Device and service SDKs use the path of IoT Hub, Event Hubs clients that of Service Bus.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import type { Log } from './diagnostics.ts';

const paths = ['/$iothub/websocket', '/$servicebus/websocket'];

/** `mqtt` is registered for MQTT 3.1.1 (§6); `AMQPWSB10` is Service Bus' name for AMQP 1.0. */
const protocols = { mqtt: 'mqtt', amqpwsb10: 'amqp' } as const;
type SubProtocol = keyof typeof protocols;

/** The largest WebSocket message: an AMQP transfer or MQTT packet may span several, but clients send each as one. */
const maxMessageBytes = 1_048_576;

export type WebSockets = {
  /** Answers an upgrade request; a stream that becomes a WebSocket is handed on, any other is closed. */
  upgrade(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    accept: (protocol: 'mqtt' | 'amqp', webSocketStream: Duplex) => void,
  ): Promise<void>;
};

function subProtocol(names: Iterable<string>): string | undefined {
  return [...names].find((name) => name.toLowerCase() in protocols);
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Creates the handler of upgrades. */
export function createWebSockets(log: Log): WebSockets {
  let server:
    | Promise<{ server: WebSocketServer; toStream: typeof import('ws').createWebSocketStream }>
    | undefined;

  /** Most hubs never see a WebSocket, so the library is loaded for the first. */
  async function load() {
    const { WebSocketServer, createWebSocketStream } = await import('ws');
    return {
      toStream: createWebSocketStream,
      server: new WebSocketServer({
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload: maxMessageBytes,
        handleProtocols: (names) => subProtocol(names) ?? false,
      }),
    };
  }

  return {
    async upgrade(request, stream, head, accept) {
      stream.on('error', () => stream.destroy());
      const path = (request.url ?? '').split('?')[0] ?? '';
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
      const name = subProtocol(offered);
      if (!paths.includes(path) || name === undefined) {
        const reason = paths.includes(path)
          ? `the sub-protocol is "${offered.join(', ').slice(0, 80)}"`
          : `the path is ${path.slice(0, 80)}`;
        log.warn({ what: 'WebSocket refused', reason, next: `Use ${paths[0]} with mqtt or AMQPWSB10` });
        refuse(stream, paths.includes(path) ? '400 Bad Request' : '404 Not Found');
        return;
      }
      server ??= load();
      const { server: webSocketServer, toStream } = await server;
      webSocketServer.handleUpgrade(request, stream, head, (socket) => {
        socket.on('message', (_data, isBinary) => {
          // Data may only come in binary frames [MQTT-6.0.0-1].
          if (!isBinary) socket.close(1003);
        });
        const bytes = toStream(socket);
        bytes.on('error', () => bytes.destroy());
        // A stream that was ending when its client went would wait for ever for what it wrote to leave.
        socket.once('close', () => {
          if (bytes.readableEnded) bytes.destroy();
          else bytes.once('end', () => bytes.destroy());
        });
        accept(protocols[name.toLowerCase() as SubProtocol], bytes);
      });
    },
  };
}
