/** A log collection backend as far as the demo needs one: something that listens where the service pack points. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export type LogCollection = { readonly port: number; stop(): void };

export async function openLogCollection(): Promise<LogCollection> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, stop: () => server.close() };
}
