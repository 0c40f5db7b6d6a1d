/** One server under measurement in a process of its own: the local hub, durable and without throttles, or the bare peer. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalHub, createLog } from '../../local-hub/src/index.ts';
import { answerRequests } from '../processes.ts';
import { startBareServer } from './bare-server.ts';

/** What the clients need to know of a server. */
export type ServerAddress = { port: number; caPath: string; service: string; devices: string[] };

export type ServerRequest =
  | { kind: 'start'; server: 'hub' | 'bare'; dataDir: string; deviceCount: number }
  | { kind: 'memory' };

answerRequests(async (request: ServerRequest) => {
  if (request.kind === 'memory') {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  }
  return request.server === 'hub' ? startHub(request) : startBare(request);
});

async function startHub(request: Extract<ServerRequest, { kind: 'start' }>): Promise<ServerAddress> {
  const log = createLog({ write: (line) => console.error(line) });
  const hub = await createLocalHub({ dataDir: request.dataDir, port: 0, sku: 'off', log });
  const devices = await Promise.all(
    Array.from({ length: request.deviceCount }, (_, index) => hub.deviceConnectionString(`bench-${index}`)),
  );
  return { port: hub.port, caPath: hub.caPath, service: hub.connectionString('service'), devices };
}

async function startBare(request: Extract<ServerRequest, { kind: 'start' }>): Promise<ServerAddress> {
  const read = (name: string): Promise<string> =>
    readFile(join(request.dataDir, 'certificates', name), 'utf8');
  const port = await startBareServer({ key: await read('server.key'), cert: await read('server.pem') });
  const key = Buffer.from('the bare server believes anybody').toString('base64');
  const host = `HostName=localhost:${port}`;
  return {
    port,
    caPath: join(request.dataDir, 'certificates', 'ca.pem'),
    service: `${host};SharedAccessKeyName=service;SharedAccessKey=${key}`,
    devices: Array.from(
      { length: request.deviceCount },
      (_, index) => `${host};DeviceId=bench-${index};SharedAccessKey=${key}`,
    ),
  };
}
