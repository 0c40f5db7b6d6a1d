/** All services in one process, against a real hub, storage and database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSettings } from '../shared/settings.ts';
import { testDatabase } from '../shared/testing/test-database.ts';
import { testHubWithBlobs } from '../shared/testing/test-hub.ts';
import { createAllInOne } from './all-in-one.ts';
import { shape } from './settings.ts';

test('all services start in one process, each with its own health, and stop', {
  timeout: 120_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-all-in-one-'));
  // What is registered first is run first: the services end before what they stand on.
  const opened: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of opened) await close();
    await rm(folder, { recursive: true, force: true });
  });
  const [hub, database] = await Promise.all([
    testHubWithBlobs(t, { consumerGroups: ['d2c-listener', 'firmware-updater'], partitions: 2 }),
    testDatabase(t),
  ]);
  const operatorTokenFile = join(folder, 'operators');
  const operator = { name: 'test', token: randomBytes(32).toString('base64url') };
  await writeFile(operatorTokenFile, `${JSON.stringify(operator)}\n`, { mode: 0o600 });
  const settings = readSettings(
    {
      MONGODB_URI: database.uri,
      MONGODB_DATABASE: database.name,
      IOTHUB_CONNECTION_STRING: hub.connectionString(),
      IOTHUB_EVENTS_CONNECTION_STRING: hub.eventHubConnectionString(),
      AZURE_STORAGE_CONNECTION_STRING: hub.storageConnectionString,
      OPERATOR_TOKEN_FILE: operatorTokenFile,
      BROKER_AUTHORITY_FILE: join(folder, 'authority.pem'),
      API_PORT: '0',
      BROKER_PORT: '0',
    },
    shape,
  );
  const all = await createAllInOne({ settings, caPem: hub.caPem, write() {} });
  opened.push(all.stop);
  await all.start();
  assert.deepEqual(Object.keys(all.health), ['d2c-listener', 'firmware-updater', 'auth-broker', 'api']);
  for (const [name, url] of Object.entries(all.health)) {
    assert.equal((await fetch(`${url}/healthz`)).status, 200, name);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^# TYPE iotdh_\w+ \w+$/m, name);
    assert.equal((await fetch(`${url}/nothing`)).status, 404, name);
  }
  const { apiUrl } = all;
  const answer = await fetch(`${apiUrl}/iotdh.fleet.v1.DeviceService/ListDevices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${operator.token}` },
    body: '{}',
  });
  assert.equal(answer.status, 200, await answer.text());
  await all.stop();
  await assert.rejects(fetch(apiUrl), TypeError);
});
