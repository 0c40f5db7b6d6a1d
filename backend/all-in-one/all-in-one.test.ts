/** All services in one process, against a real hub, storage and database. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { Event, State, StateChangedSchema } from '@iotdh/proto/agent/v1';
import {
  type CloudToDevice,
  CloudToDeviceSchema,
  type DeviceToCloud,
  DeviceToCloudSchema,
  FrameRequestSchema,
} from '@iotdh/proto/bus/v1';
import { TrustService } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { Long } from 'mongodb';
import { openKeyFolder } from '../services/api/trust/online-keys.ts';
import { readSettings } from '../shared/settings.ts';
import { createTestAuthor } from '../shared/testing/test-author.ts';
import { testDatabase } from '../shared/testing/test-database.ts';
import { testDevice, testHubWithBlobs } from '../shared/testing/test-hub.ts';
import { createAllInOne } from './all-in-one.ts';
import { shape } from './settings.ts';

type Span = { traceId: string; spanId: string; parentSpanId?: string; name: string };
type Exported = { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };

/** Takes what OTLP exporters send as JSON. */
async function startCollector(t: TestContext) {
  const spans: Span[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as Exported;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('all services in one process', { timeout: 120_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-all-in-one-'));
  // What is registered first is run first: the services end before what they stand on.
  const opened: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of opened) await close();
    await rm(folder, { recursive: true, force: true });
  });
  const [hub, database, collector] = await Promise.all([
    testHubWithBlobs(t, { consumerGroups: ['d2c-listener', 'firmware-updater'], partitions: 2 }),
    testDatabase(t),
    startCollector(t),
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
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OPERATOR_TOKEN_FILE: operatorTokenFile,
      BROKER_AUTHORITY_FILE: join(folder, 'authority.pem'),
      TRUST_KEY_FOLDER: join(folder, 'trust'),
      API_PORT: '0',
      BROKER_PORT: '0',
    },
    shape,
  );
  const all = await createAllInOne({ settings, caPem: hub.caPem, write() {} });
  opened.push(all.stop);
  await all.start();
  const { apiUrl } = all;

  async function call(method: string, body: object, headers = {}): Promise<void> {
    const answer = await fetch(`${apiUrl}/iotdh.fleet.v1.${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${operator.token}`, ...headers },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  await t.test('each has its own health', async () => {
    assert.deepEqual(Object.keys(all.health), ['d2c-listener', 'firmware-updater', 'auth-broker', 'api']);
    for (const [name, url] of Object.entries(all.health)) {
      assert.equal((await fetch(`${url}/healthz`)).status, 200, name);
      assert.match(await (await fetch(`${url}/metrics`)).text(), /^# TYPE iotdh_\w+ \w+$/m, name);
      assert.equal((await fetch(`${url}/nothing`)).status, 404, name);
    }
    await call('DeviceService/ListDevices', {});
  });

  /** The one trace of an update, as the operator's tool began it. */
  const traceId = 'c'.repeat(32);
  const received: CloudToDevice[] = [];
  await t.test('an update is one trace, from the operator to the device and back', async () => {
    const { collections } = database;
    const device = await testDevice(hub, 'd1');
    device.client.on('message', (message) => {
      device.client.complete(message, () => {});
      received.push(fromBinary(CloudToDeviceSchema, message.getBytes() as Uint8Array));
    });
    await collections.devices.insertOne({
      _id: 'd1',
      ...{ displayName: '', site: '', labels: {}, connectivity: 'awaited', lastSeenTime: null },
      ...{ report: null, reportOrder: null, commandSequence: Long.ZERO, enrolment: null },
      ...{ createTime: new Date(), retireTime: null, retireReason: '', revision: Long.ONE },
    });
    const packId = randomUUID();
    const manifest = {
      digest: 'ab'.repeat(32),
      size: 10,
      kind: 'patch',
      name: 'carto',
      version: '2.0.0',
    } as const;
    const asOperator: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${operator.token}`);
      return next(request);
    };
    const transport = createConnectTransport({
      ...{ baseUrl: apiUrl, httpVersion: '1.1', interceptors: [asOperator] },
    });
    const author = createTestAuthor(openKeyFolder(join(folder, 'trust')));
    await author.sign(createClient(TrustService, transport), manifest);
    await collections.packs.insertOne({
      _id: packId,
      manifest,
      ...{ title: 'Carto 2', summary: '', state: 'published', objectBytes: Long.ONE, yankReason: '' },
      ...{ createTime: new Date(), publishTime: new Date() },
    });
    const traceparent = `00-${traceId}-${'1'.repeat(16)}-01`;
    await call('AssignmentService/CreateAssignments', { packId, deviceIds: ['d1'] }, { traceparent });

    async function message(kind: CloudToDevice['payload']['case']): Promise<CloudToDevice> {
      for (;;) {
        const found = received.find(({ payload }) => payload.case === kind);
        if (found !== undefined) return found;
        await setTimeout(20);
      }
    }
    let sequence = 0n;
    async function send(payload: DeviceToCloud['payload'], traceParent: string): Promise<void> {
      sequence += 1n;
      const [journalId, messageId, time] = [randomUUID(), randomUUID(), timestampFromDate(new Date())];
      const told = { version: 1, journalId, messageId, sequence, time, traceParent, payload };
      await device.send(Buffer.from(toBinary(DeviceToCloudSchema, create(DeviceToCloudSchema, told))));
    }
    const { payload, traceParent } = await message('upgradeOffer');
    assert.ok(payload.case === 'upgradeOffer');
    const { transferId, frameSize } = payload.value;
    const digest = Buffer.alloc(32, 0xab);
    const change = create(StateChangedSchema, {
      ...{ sequence: 1n, from: State.READY, to: State.INTRANSIT_PATCH, event: Event.CLOUD_CMDUPGRADE },
      time: timestampFromDate(new Date()),
      pendingUpdate: { manifestDigest: digest, kind: UpdateKind.PATCH, name: 'carto', version: '2.0.0' },
    });
    await send({ case: 'stateChanged', value: change }, traceParent);
    const request = create(FrameRequestSchema, {
      ...{ transferId, frameSize, objectDigest: digest, window: 1 },
      missing: { case: 'ranges', value: { ranges: [{ first: 0n, count: 1 }] } },
    });
    await send({ case: 'frameRequest', value: request }, traceParent);
    // The manifest is not stored, which is an answer as good as any.
    assert.equal((await message('transferRefused')).traceParent, traceParent);
    while ((await collections.states.countDocuments({ deviceId: 'd1' })) === 0) await setTimeout(20);
  });

  await all.stop();
  await assert.rejects(fetch(apiUrl), TypeError);
  const ofTheTrace = collector.spans.filter((span) => span.traceId === traceId);
  const spanNamed = (name: string) => ofTheTrace.find((span) => span.name === name) ?? assert.fail(name);
  const asked = spanNamed('iotdh.fleet.v1.AssignmentService/CreateAssignments');
  assert.equal(asked.parentSpanId, '1'.repeat(16));
  assert.equal(received[0]?.traceParent, `00-${traceId}-${asked.spanId}-01`);
  for (const name of ['order offer', 'd2c-listener store stateChanged', 'frame request']) {
    assert.equal(spanNamed(name).parentSpanId, asked.spanId, name);
  }
});
