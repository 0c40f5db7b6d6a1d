import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { BrokerService } from '@iotdh/proto/broker/v1';
import { Pkcs10CertificateRequest, X509CertificateGenerator } from '@peculiar/x509';
import { createLocalHub } from '../../../local-hub/src/index.ts';
import { createWorkstation } from '../testing/workstation.ts';
import { type EnrolFailure, enrol } from './enrol.ts';
import { openIdentity } from './identity.ts';

const token = 'one-time-token-of-at-least-32-characters';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

type Broker = { url: string; requests: Uint8Array[] };

/** A broker over TLS that certifies whoever has the token, after it was unavailable so often. */
async function createBroker(
  t: TestContext,
  hub: Awaited<ReturnType<typeof createLocalHub>>,
  failures: number,
): Promise<Broker> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const requests: Uint8Array[] = [];
  const { certPem, keyPem } = hub.certificates.server;
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(BrokerService, {
        async enrolDevice({ enrolmentToken, signingRequest }) {
          requests.push(signingRequest);
          if (requests.length <= failures) throw new ConnectError('not yet', Code.Unavailable);
          if (enrolmentToken !== token)
            throw new ConnectError('this token will not do', Code.Unauthenticated);
          const request = new Pkcs10CertificateRequest(Uint8Array.from(signingRequest));
          assert.ok(await request.verify());
          const validity = {
            notBefore: new Date(Date.now() - 60_000),
            notAfter: new Date(Date.now() + 3_600_000),
          };
          const certificate = await X509CertificateGenerator.create({
            ...{ ...validity, serialNumber: '01', publicKey: request.publicKey },
            ...{
              subject: 'CN=enrolled-1',
              issuer: 'CN=broker',
              signingKey: keys.privateKey,
              signingAlgorithm: algorithm,
            },
          });
          const der = new Uint8Array(certificate.rawData);
          const primaryThumbprint = createHash('sha256').update(der).digest('hex');
          await hub.engine.registry.create({
            deviceId: 'enrolled-1',
            authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint } },
          } as never);
          return {
            deviceId: 'enrolled-1',
            hubHost: hub.hostName,
            certificate: {
              chain: [der],
              notBefore: timestampFromMs(validity.notBefore.getTime()),
              notAfter: timestampFromMs(validity.notAfter.getTime()),
            },
          };
        },
      });
    },
  });
  const server = createServer({ cert: certPem, key: keyPem }, handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, requests };
}

async function prepare(t: TestContext, failures: number, given: string) {
  const hub = await createLocalHub({ sku: 'off' });
  t.after(() => hub.stop());
  const broker = await createBroker(t, hub, failures);
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-enrol-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, `${given}\n`, { mode: 0o600 });
  const identity = openIdentity(join(folder, 'identity'));
  const failed: EnrolFailure[] = [];
  const abort = new AbortController();
  const run = () =>
    enrol({
      ...{
        brokerUrl: broker.url,
        tokenFile,
        caPem: hub.caPem,
        identity,
        random: () => 0,
        now: Date.now,
        signal: abort.signal,
      },
      sleep: () => Promise.resolve(),
      onAttemptFailed(failure) {
        failed.push(failure);
        if (failed.length === 4) abort.abort();
      },
    });
  return { hub, broker, folder, tokenFile, failed, run };
}

test('a device is enrolled once its broker answers, always with the same key, and the token is gone then', async (t) => {
  const { broker, folder, tokenFile, failed, run } = await prepare(t, 2, token);
  const identity = await run();
  assert.equal(identity?.deviceId, 'enrolled-1');
  assert.equal(failed.length, 2);
  assert.ok(failed.every(({ byPerson }) => !byPerson));
  const keys = broker.requests.map((der) =>
    Buffer.from(new Pkcs10CertificateRequest(Uint8Array.from(der)).publicKey.rawData).toString('hex'),
  );
  assert.equal(new Set(keys).size, 1);
  assert.ok(!existsSync(tokenFile));
  assert.deepEqual(readdirSync(join(folder, 'identity')), ['identity.json']);
  assert.equal(statSync(join(folder, 'identity', 'identity.json')).mode & 0o777, 0o600);
  assert.ok(new X509Certificate(identity?.certificatePem ?? '').subject.includes('enrolled-1'));
  assert.deepEqual(await run(), identity);
});

test('a token that will not do is said without the token, and waits for a person', async (t) => {
  const { failed, run, tokenFile } = await prepare(t, 0, `${token}-wrong`);
  assert.equal(await run(), null);
  assert.ok(failed.every(({ byPerson, reason }) => byPerson && !reason.includes(token)));
  assert.ok(existsSync(tokenFile));
});

test('an agent that starts with a token enrols itself and connects with its certificate', {
  timeout: 40_000,
}, async (t) => {
  const { hub, broker, folder, tokenFile } = await prepare(t, 1, token);
  writeFileSync(join(folder, 'ca.pem'), hub.caPem);
  const caFile = join(folder, 'ca.pem');
  const station = await createWorkstation(t, {
    credentials: { enrolment: { brokerUrl: broker.url, tokenFile, caFile } },
    hub: { caFile, routes: ['mqtt'] },
  });
  const state = await station.client.getState({ timeoutMs: 20_000 });
  assert.equal(state.state, 'BUSY');
  await new Promise<void>((resolve) => {
    const { telemetry } = hub.engine;
    const cursor = telemetry.open(telemetry.partitionOf('enrolled-1'), 'earliest');
    const look = () => cursor.read(10).length > 0 && resolve();
    cursor.onAvailable(look);
    look();
  });
  assert.ok(!existsSync(tokenFile));
});
