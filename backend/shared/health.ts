/** What Kubernetes and Prometheus ask a service: is it alive, is it ready, and its measurements. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import type { Service } from './service.ts';

export type HealthOptions = {
  service: Pick<Service, 'name' | 'unready'>;
  metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** Default `127.0.0.1`; in a container `0.0.0.0`, because probes come from outside. */
  host?: string;
  /** 0: the system chooses. */
  port: number;
};

export type Health = {
  url: string;
  port: number;
  /** From now on it answers that it is not ready, so that nothing new is sent to it. */
  drain(): void;
  stop(): Promise<void>;
};

const plain = 'text/plain; charset=utf-8';

/** Serves GET /healthz, /readyz and /metrics. Throws when the port is taken. */
export async function serveHealth(options: HealthOptions): Promise<Health> {
  const { service, metrics, host = '127.0.0.1', port } = options;
  let draining = false;

  function answer(response: ServerResponse, status: number, body: string, type = plain): void {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
  }
  function answerReadiness(response: ServerResponse): void {
    const reason = draining ? 'it is stopping' : service.unready();
    if (reason === null) answer(response, 200, `${service.name} is ready\n`);
    else answer(response, 503, `${service.name} is not ready: ${reason}\n`);
  }
  function answerMetrics(response: ServerResponse): void {
    metrics.text().then(
      (text) => answer(response, 200, text, metrics.contentType),
      () => answer(response, 500, 'the measurements could not be read\n'),
    );
  }
  function reply({ method, url }: IncomingMessage, response: ServerResponse): void {
    const path = url?.split('?')[0];
    if (method !== 'GET' && method !== 'HEAD') answer(response, 405, 'only GET\n');
    else if (path === '/healthz') answer(response, 200, `${service.name} is alive\n`);
    else if (path === '/readyz') answerReadiness(response);
    else if (path === '/metrics') answerMetrics(response);
    else answer(response, 404, 'there are /healthz, /readyz and /metrics\n');
  }

  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 8_192 }, reply);
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve());
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${bound}`,
    drain() {
      draining = true;
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
