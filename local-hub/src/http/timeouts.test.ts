import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Finding, silentLog } from '../diagnostics.ts';
import { createSystemClock } from '../engine/clock.ts';
import { createHttpFrontEnd, type HttpFrontEnd, type HttpFrontEndOptions } from './front-end.ts';

/** A front-end behind a plain port, with nothing behind it: what is tested here ends before any handler. */
async function serving(
  t: TestContext,
): Promise<{ frontEnd: HttpFrontEnd; port: number; findings: Finding[] }> {
  const findings: Finding[] = [];
  const frontEnd = createHttpFrontEnd({
    clock: createSystemClock(),
    log: { ...silentLog, warn: (finding) => void findings.push(finding) },
    timeouts: { headersTimeout: 20, requestTimeout: 40, connectionsCheckingInterval: 10 },
    onUpgrade: (_request, stream) => void stream.destroy(),
  } as Partial<HttpFrontEndOptions> as HttpFrontEndOptions);
  const server = createServer((socket) =>
    frontEnd.accept(socket, { remote: 'a test', clientCertificate: undefined }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    await frontEnd.close();
  });
  return { frontEnd, port: (server.address() as AddressInfo).port, findings };
}

test('a request whose headers trickle in is given up', async (t) => {
  const { port, frontEnd, findings } = await serving(t);
  const client = connect(port, '127.0.0.1');
  client.write('GET /healthz HTTP/1.1\r\nHost:');
  const chunks = (await client.toArray()) as Buffer[];
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 408 /);
  assert.equal(frontEnd.connectionCount, 0);
  assert.match(findings[0]?.reason ?? '', /did not come in time/);
});

test('closing ends idle connections at once', async (t) => {
  const { port, frontEnd } = await serving(t);
  const client = connect(port, '127.0.0.1').resume();
  client.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'data');
  assert.equal(frontEnd.connectionCount, 1);
  const closed = once(client, 'close');
  await frontEnd.close();
  await closed;
  assert.equal(frontEnd.connectionCount, 0);
});
