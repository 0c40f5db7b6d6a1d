/** A TCP relay in front of the hub: a cable that can be pulled, with a reset, as routers and dying hosts do it. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Endpoint } from './endpoint.ts';

export type Cable = {
  /** `localhost:PORT` of the relay. */
  hostName: string;
  /** Resets every connection, on both sides. */
  pull(): void;
};

/** Lays a cable to the hub's TLS port, until the hub stops. */
export async function layCable(hub: Endpoint): Promise<Cable> {
  const sockets = new Set<Socket>();
  function track(socket: Socket): Socket {
    sockets.add(socket);
    socket.on('error', () => {});
    return socket.once('close', () => sockets.delete(socket));
  }
  const server = createServer((near) => {
    const far = track(connect({ host: 'localhost', port: hub.port }));
    track(near).pipe(far).pipe(near);
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  function pull(): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }
  hub.onStop(() => {
    server.close();
    pull();
  });
  const { port } = server.address() as { port: number };
  return { hostName: `localhost:${port}`, pull };
}
