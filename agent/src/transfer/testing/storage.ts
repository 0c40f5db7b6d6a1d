/** Blob Storage over TLS for tests: it honours ranges and signatures, or misbehaves as it is told. */
import 'reflect-metadata';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import type { Blobs } from './pack.ts';

/** Answers instead of the storage; false leaves it to the storage. */
export type Misbehave = (
  request: { object: string; offset: number; length: number },
  response: ServerResponse,
) => boolean;

export type TestStorage = {
  caPem: string;
  /** Every range that was answered, in order. */
  ranges: { object: string; offset: number; length: number }[];
  addressOf(object: string): string;
  /** Addresses that were given out are no longer good. */
  expire(): void;
  misbehave(next: Misbehave | null): void;
};

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function createStorage(t: TestContext, blobs: Blobs): Promise<TestStorage> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...{ keys, name: 'CN=localhost', signingAlgorithm: algorithm, serialNumber: '01' },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const caPem = certificate.toString('pem');
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const ranges: TestStorage['ranges'] = [];
  let signature = 1;
  let misbehave: Misbehave | null = null;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'https://localhost');
    const object = url.pathname.slice(1);
    const [, first = '0', last = '0'] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const range = { object, offset: Number(first), length: Number(last) - Number(first) + 1 };
    if (misbehave?.(range, response) === true) return;
    if (url.searchParams.get('sig') !== String(signature)) return void response.writeHead(403).end();
    const blob = blobs.get(object);
    if (blob === undefined) return void response.writeHead(404).end();
    ranges.push(range);
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${blob.length}` });
    response.end(blob.subarray(range.offset, range.offset + range.length));
  }

  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  const server = createServer({ cert: caPem, key: keyPem }, answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    ...{ caPem, ranges },
    addressOf: (object) => `https://localhost:${port}/${object}?sig=${signature}`,
    expire() {
      signature += 1;
    },
    misbehave(next) {
      misbehave = next;
    },
  };
}
