/** A certificate that is due is renewed by the real broker, and the agent goes on with the new one alone, without a restart. */
import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Long } from 'mongodb';
import type { Identity } from '../agent/src/enrolment/identity.ts';
import { createWorkstation } from '../agent/src/testing/workstation.ts';
import { createAuthBroker } from '../backend/services/auth-broker/auth-broker.ts';
import { openAuthority } from '../backend/services/auth-broker/authority.ts';
import { createObjects } from '../backend/shared/blobs.ts';
import { systemClock } from '../backend/shared/clock.ts';
import { createHub } from '../backend/shared/hub.ts';
import { createIdentities } from '../backend/shared/identities.ts';
import { silentLog } from '../backend/shared/log.ts';
import { createMetrics } from '../backend/shared/metrics.ts';
import { createOperators } from '../backend/shared/operators.ts';
import { testDatabase } from '../backend/shared/testing/test-database.ts';
import { testHub } from '../backend/shared/testing/test-hub.ts';
import { createTracing } from '../backend/shared/tracing.ts';

const deviceId = 'ward-7';

test('a certificate is renewed by the broker, and from then on the agent needs the one before no more', {
  timeout: 90_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-renewal-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [database, hub] = await Promise.all([testDatabase(t), testHub(t)]);
  const service = createHub({ connectionString: hub.connectionString(), caPem: hub.caPem });
  t.after(() => service.close());
  const { certPem, keyPem } = hub.certificates.server;
  // Certificates know no fractions of a second: a renewal in the same second would gain nothing.
  let passedMs = 0;
  const now = () => {
    passedMs += 1000;
    return Date.now() + passedMs;
  };
  const broker = createAuthBroker({
    ...{ database, hub: service, hubHost: hub.hostName, port: 0, tls: { certPem, keyPem }, log: silentLog },
    objects: createObjects({ connectionString: 'UseDevelopmentStorage=true' }),
    // Ten minutes, and an hour before now: in the last third of its life from the beginning.
    authority: await openAuthority(join(folder, 'authority'), Date.now(), { deviceDays: 10 / 1440 }),
    operators: createOperators([]),
    tracing: createTracing({ service: 'auth-broker' }),
    metrics: createMetrics({ service: 'auth-broker' }),
    clock: { ...systemClock, now },
  });
  t.after(() => broker.stop());
  await broker.start();

  const token = randomBytes(32).toString('base64url');
  const identities = createIdentities(service);
  await identities.ensure(deviceId);
  const { certificates, devices } = database.collections;
  await devices.insertOne({
    ...{ _id: deviceId, displayName: '', site: '', labels: {}, connectivity: 'awaited' },
    ...{ lastSeenTime: null, report: null, reportOrder: null, commandSequence: Long.ZERO },
    enrolment: {
      tokenDigest: createHash('sha256').update(token).digest('hex'),
      expireTime: new Date(Date.now() + 3_600_000),
    },
    ...{ createTime: new Date(), retireTime: null, retireReason: '', revision: Long.ONE },
  });
  const caFile = join(folder, 'ca.pem');
  const tokenFile = join(folder, 'token');
  writeFileSync(caFile, hub.caPem);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const brokerUrl = broker.url.replace('127.0.0.1', 'localhost');
  const station = await createWorkstation(t, {
    credentials: { enrolment: { brokerUrl, tokenFile, caFile } },
    hub: { caFile, routes: ['mqtt'] },
  });
  const said = async (text: string, times: number) => {
    while (station.output.split(text).length <= times) await station.outputGrows();
  };
  await said('the certificate of the device is renewed', 1);
  const issued = await certificates.find({ deviceId }).sort({ issueTime: 1 }).toArray();
  assert.equal(issued.length, 2);
  assert.equal(new Set(issued.map(({ keyDigest }) => keyDigest)).size, 2, 'each for a key of its own');

  // The link ends, and what was before is not taken any more.
  const primaryThumbprint = issued[1]?._id ?? '';
  await identities.replace({ deviceId, enabled: true, primaryThumbprint, secondaryThumbprint: null });
  const opens = 'the link to the hub is open';
  const before = station.output.split(opens).length - 1;
  hub.faults.inject({ kind: 'kick', deviceId });
  await said(opens, before + 1);

  const kept = readFileSync(join(station.folder, 'data/identity/identity.json'), 'utf8');
  const { fingerprint256 } = new X509Certificate((JSON.parse(kept) as Identity).certificatePem);
  assert.equal(fingerprint256.replaceAll(':', ''), primaryThumbprint);
});
