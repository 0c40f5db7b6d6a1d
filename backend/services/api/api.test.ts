/** The API as a whole: packs to assignments to orders, streams that survive a restart, logs, TLS, and a kill in the middle. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { CloudToDeviceSchema, LogRoute, UpdateOutcome } from '@iotdh/proto/bus/v1';
import {
  AssignmentState,
  DeviceService,
  EventTopic,
  LogCollectionState,
  PackState,
  type WatchResponse,
} from '@iotdh/proto/fleet/v1';
import { createPayloadReader, maxCloudToDeviceBytes } from '@iotdh/proto/payload';
import { systemClock } from '../../shared/clock.ts';
import { apiRig, operatorName, operatorToken, publishedPack, sha256, testManifest } from './testing/rig.ts';
import { createRepository, type Ending } from './trust/repository.ts';

const readCommand = createPayloadReader(CloudToDeviceSchema, { maxBytes: maxCloudToDeviceBytes });

test('operators work with packs, assignments, events and logs', async (t) => {
  const rig = await apiRig(t);
  const { devices, packs, assignments, events, logs } = rig;
  const { collections } = rig.database;
  await devices.registerDevice({ deviceId: 'first' });

  await t.test(
    'a pack is handed in, uploaded and published; wrong bytes make way for the right ones',
    async () => {
      const tested = testManifest({ name: 'carto', version: '2.0' });
      const { bytes, content } = tested;
      const object = sha256(content).toString('hex');
      const made = await packs.createPack({ manifest: bytes });
      assert.equal(made.pack?.state, PackState.DRAFT);
      assert.equal(made.pack?.objectBytes, BigInt(content.length));
      assert.deepEqual(made.missingObjectDigests.map(Buffer.from), [sha256(content)]);
      const packId = made.pack?.packId ?? '';

      const url = await rig.blobs.objects.writeUrl(object, 60_000);
      const wrong = {
        method: 'PUT',
        body: 'x'.repeat(content.length),
        headers: { 'x-ms-blob-type': 'BlockBlob' },
      };
      assert.equal((await fetch(url, wrong)).status, 201);
      await assert.rejects(packs.publishPack({ packId }), { code: Code.FailedPrecondition });
      await rig.blobs.objects.put(object, content);
      const again = await packs.createPack({ manifest: bytes });
      assert.deepEqual([again.pack, again.missingObjectDigests], [made.pack, []]);

      await assert.rejects(packs.publishPack({ packId }), /is not signed.*carto\/2\.0/);
      await rig.sign(tested);
      const { database, author } = rig;
      const { endings } = createRepository({
        ...{ database, objects: rig.blobs.objects, keys: author.onlineKeys, clock: systemClock },
      });
      const days = ({ endMs }: Ending) => Math.round((endMs - Date.now()) / 86_400_000);
      assert.deepEqual(
        (await endings()).map((ending) => [ending.role, ending.version, days(ending)]),
        [
          ['root', 1, 730],
          ['targets', 1, 365],
        ],
      );
      const published = await packs.publishPack({ packId });
      assert.equal(published.pack?.state, PackState.PUBLISHED);
      assert.deepEqual((await packs.publishPack({ packId })).pack, published.pack);
      const { manifest } = await packs.getPackManifest({ packId });
      assert.deepEqual(Buffer.from(manifest), Buffer.from(bytes));
      assert.deepEqual((await packs.listPacks({ name: 'carto' })).packs, [published.pack]);
      const yanked = await packs.yankPack({ packId, reason: 'it hangs' });
      assert.deepEqual([yanked.pack?.state, yanked.pack?.yankReason], [PackState.YANKED, 'it hangs']);
      assert.deepEqual((await packs.yankPack({ packId, reason: 'other' })).pack, yanked.pack);
    },
  );

  await t.test(
    'a bill of materials is an object of its pack, and nobody else’s than the signers’',
    async () => {
      const tested = testManifest({ name: 'billed', version: '1.0' });
      const { bytes, content } = tested;
      const bill = Buffer.from('{"bomFormat":"CycloneDX"}');
      const sbom = { digest: sha256(bill), size: bill.length };
      await rig.blobs.objects.put(sha256(content).toString('hex'), content);
      assert.equal((await packs.createPack({ manifest: bytes })).pack?.sbom, undefined);
      const made = await packs.createPack({ manifest: bytes, sbom });
      assert.deepEqual(Buffer.from(made.pack?.sbom?.digest ?? []), sbom.digest);
      assert.deepEqual(made.missingObjectDigests.map(Buffer.from), [sbom.digest]);
      const packId = made.pack?.packId ?? '';
      await rig.sign(tested);
      await assert.rejects(packs.publishPack({ packId }), /1 objects of pack/);
      await rig.blobs.objects.put(sbom.digest.toString('hex'), bill);
      await assert.rejects(packs.publishPack({ packId }), /is not signed.*billed\/1\.0/);
    },
  );

  const packId = await publishedPack(rig);
  const fallbackPackId = await publishedPack(rig, { kind: 'base' });

  await t.test(
    'a pack is assigned to many devices at once, each with an order, in the trace of the click',
    async () => {
      const deviceIds = Array.from({ length: 12 }, (_, index) => `many-${index}`);
      for (const deviceId of deviceIds) await devices.registerDevice({ deviceId });
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const clicking = rig.clients(rig.api, { headers: { traceparent }, protocol: 'grpc' }).assignments;
      const request = { packId, fallbackPackId, deviceIds, requestId: randomUUID() };
      const made = await clicking.createAssignments(request);
      assert.deepEqual(
        made.assignments.map(({ deviceId, creator, state }) => [deviceId, creator, state]),
        deviceIds.map((deviceId) => [deviceId, operatorName, AssignmentState.WAITING]),
      );
      // A retry on another replica is answered as the request was.
      const other = rig.clients(await rig.replica()).assignments;
      assert.deepEqual(await other.createAssignments(request), made);
      assert.equal(await collections.assignments.countDocuments({ goesOn: true }), 12);
      const orders = await collections.orders.find({ kind: 'offer' }).toArray();
      assert.equal(orders.length, 12);
      for (const order of orders) {
        const command = readCommand(order.body.buffer);
        assert.equal(command.kind, 'valid');
        if (command.kind !== 'valid' || command.message.payload.case !== 'upgradeOffer') continue;
        assert.equal(command.message.messageId, order._id);
        assert.equal(command.message.payload.value.assignmentId, order.assignmentId);
        assert.match(
          command.message.traceParent,
          /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)/,
        );
      }
      const [order] = orders;
      assert.equal(order?.pointer?.assignmentId, order?.assignmentId);
      assert.notEqual(order?.pointer?.fallback, undefined);
      const page = await assignments.listAssignments({ packId, pageSize: 8 });
      const rest = await assignments.listAssignments({ packId, pageSize: 8, pageToken: page.nextPageToken });
      const ids = new Set([...page.assignments, ...rest.assignments].map(({ assignmentId }) => assignmentId));
      assert.deepEqual([ids.size, rest.nextPageToken], [12, '']);
    },
  );

  await t.test('two replicas that assign to one device at the same time make one assignment', async () => {
    const other = rig.clients(await rig.replica()).assignments;
    const outcomes = await Promise.allSettled(
      [assignments, other].map((client) => client.createAssignments({ packId, deviceIds: ['first'] })),
    );
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(failed.length, 1);
    assert.equal(ConnectError.from(failed[0]?.reason).code, Code.AlreadyExists);
  });

  await t.test(
    'what the device never answered ends at once; what it has begun ends when it says so',
    async () => {
      const [open] = (await assignments.listAssignments({ deviceId: 'first' })).assignments;
      const assignmentId = open?.assignmentId ?? '';
      const { assignment } = await assignments.cancelAssignment({ assignmentId, reason: 'wrong ward' });
      assert.equal(assignment?.state, AssignmentState.ENDED);
      assert.equal(assignment?.result?.outcome, UpdateOutcome.CANCELLED);
      const again = await assignments.cancelAssignment({ assignmentId, reason: 'again' });
      assert.deepEqual(again.assignment, assignment);
      const cancels = await collections.orders.find({ deviceId: 'first', kind: 'cancel' }).toArray();
      assert.deepEqual(
        cancels.map(({ pointer }) => pointer),
        [null],
      );

      const { assignments: made } = await assignments.createAssignments({ packId, deviceIds: ['first'] });
      const next = made[0]?.assignmentId ?? '';
      await collections.assignments.updateOne(
        { _id: next },
        { $set: { state: 'in_transit', stateTime: new Date() } },
      );
      const begun = await assignments.cancelAssignment({ assignmentId: next, reason: 'wrong ward' });
      assert.equal(begun.assignment?.state, AssignmentState.IN_TRANSIT);
      assert.equal((await collections.assignments.findOne({ _id: next }))?.cancel?.reason, 'wrong ward');
      // Retiring the device ends it, and what was still to be sent is not.
      await devices.retireDevice({ deviceId: 'first', reason: 'sold' });
      const { assignment: ended } = await assignments.getAssignment({ assignmentId: next });
      assert.equal(ended?.state, AssignmentState.ENDED);
      assert.equal(await collections.orders.countDocuments({ deviceId: 'first', state: 'due' }), 0);
    },
  );

  await t.test('logs are asked for, and listed the newest first', async () => {
    const deviceId = 'many-0';
    const request = { collectionId: randomUUID(), route: LogRoute.BUS };
    const { collection } = await logs.collectLogs({ deviceId, request });
    assert.equal(collection?.state, LogCollectionState.REQUESTED);
    assert.deepEqual(await logs.collectLogs({ deviceId, request }), {
      $typeName: 'iotdh.fleet.v1.CollectLogsResponse',
      collection,
    });
    assert.equal(await collections.orders.countDocuments({ kind: 'collect_logs' }), 1);
    assert.deepEqual((await logs.getLogCollection(request)).collection, collection);
    const components = ['carto', 'carto.mapping', 'cartography', 'update'];
    await collections.logLines.insertMany(
      Array.from({ length: 8 }, (_, index) => {
        const time = new Date(Date.UTC(2030, 0, 1, 0, 0, index));
        const component = components[index % 4] ?? '';
        const record = {
          time: time.toISOString(),
          level: 'LOG_LEVEL_WARN',
          component,
          message: `line (${index})`,
        };
        return {
          ...{ _id: `message/${index}`, deviceId, collectionId: '', time, level: index < 4 ? 1 : 3 },
          ...{ component, record, receivedTime: time },
        };
      }),
    );
    const lines = async (query: Parameters<typeof logs.listLogs>[0]) =>
      (await logs.listLogs({ deviceId, ...query })).entries.map((entry) => entry.message);
    assert.deepEqual(await lines({ component: 'carto' }), ['line (5)', 'line (4)', 'line (1)', 'line (0)']);
    assert.deepEqual(await lines({ text: 'LINE (7)' }), ['line (7)']);
    assert.deepEqual(await lines({ minLevel: 3, component: 'update' }), ['line (7)']);
    assert.deepEqual(await lines({ toTime: { seconds: BigInt(Date.UTC(2030, 0, 1) / 1000) } }), ['line (0)']);
    const first = await logs.listLogs({ deviceId, pageSize: 5 });
    const second = await logs.listLogs({ deviceId, pageSize: 5, pageToken: first.nextPageToken });
    assert.deepEqual(
      [...first.entries, ...second.entries].map((entry) => entry.message),
      [7, 6, 5, 4, 3, 2, 1, 0].map((index) => `line (${index})`),
    );
  });

  await t.test('a stream resumes after a restart without a gap, on whichever replica', async () => {
    const one = await rig.replica();
    const seen: string[] = [];
    let cursor = '';
    const note = ({ kind }: WatchResponse) => {
      if (kind.case === 'heartbeat') cursor = kind.value.cursor;
      if (kind.case !== 'event') return;
      cursor = kind.value.cursor;
      if (kind.value.kind.case === 'device') seen.push(kind.value.kind.value.deviceId);
    };
    const started = Promise.withResolvers<void>();
    const four = Promise.withResolvers<void>();
    const watching = (async () => {
      for await (const message of rig
        .clients(one, { protocol: 'grpc' })
        .events.watch({ topics: [EventTopic.DEVICE] })) {
        note(message);
        started.resolve();
        if (seen.length >= 4) four.resolve();
      }
    })();
    await started.promise;
    // On another replica than the one that is watched.
    for (const index of [0, 1, 2, 3]) await devices.registerDevice({ deviceId: `seen-${index}` });
    await four.promise;
    const ended = assert.rejects(watching, { code: Code.Unavailable });
    await one.stop();
    await ended;
    for (const index of [4, 5, 6]) await devices.registerDevice({ deviceId: `seen-${index}` });
    const two = await rig.replica();
    const leave = new AbortController();
    const resumed = rig
      .clients(two)
      .events.watch({ topics: [EventTopic.DEVICE], afterCursor: cursor }, { signal: leave.signal });
    for await (const message of resumed) {
      note(message);
      if (seen.length === 7) break;
    }
    leave.abort();
    assert.deepEqual(
      seen,
      [0, 1, 2, 3, 4, 5, 6].map((index) => `seen-${index}`),
    );
  });

  await t.test('a cursor whose events are gone is refused, and silence is broken by heartbeats', async () => {
    const [, middle] = await collections.events.find().sort({ _id: 1 }).limit(2).toArray();
    await collections.events.deleteMany({ _id: { $lte: middle!._id } });
    const fresh = rig.clients(await rig.replica()).events;
    const stale = fresh.watch({ afterCursor: 'e1-0' })[Symbol.asyncIterator]();
    await assert.rejects(stale.next(), { code: Code.OutOfRange });
    const cursors: string[] = [];
    for await (const { kind } of events.watch({
      deviceIds: ['nobody'],
      heartbeatInterval: { seconds: 1n },
    })) {
      if (kind.case === 'heartbeat') cursors.push(kind.value.cursor);
      if (cursors.length === 2) break;
    }
    assert.equal(cursors[0], cursors[1]);
  });

  await t.test('over TLS with HTTP/2, and for pages of one origin', async () => {
    const { server } = rig.hub.certificates;
    const tls = { certPem: server.certPem, keyPem: server.keyPem };
    const api = await rig.replica({ tls, allowedOrigins: ['https://dashboard.example'] });
    const transport = createGrpcTransport({ baseUrl: api.url, nodeOptions: { ca: rig.hub.caPem } });
    const headers = { authorization: `Bearer ${operatorToken}` };
    const client = createClient(DeviceService, transport);
    const { device } = await client.getDevice({ deviceId: 'many-0' }, { headers });
    assert.equal(device?.deviceId, 'many-0');
    const preflight = (origin: string) =>
      fetch(`${api.url}/iotdh.fleet.v1.DeviceService/GetDevice`, { method: 'OPTIONS', headers: { origin } });
    const allowed = await preflight('https://dashboard.example');
    assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://dashboard.example');
    const refused = await preflight('https://elsewhere.example');
    assert.equal(refused.headers.get('access-control-allow-origin'), null);
    await assert.rejects(rig.replica({ host: '0.0.0.0' }), /only with TLS/);
  });

  await t.test('a registration that is killed between its two steps is finished by the retry', async () => {
    const request = { deviceId: 'killed', requestId: randomUUID() };
    const settings = {
      ...{ uri: rig.database.uri, name: rig.database.name, storage: rig.blobs.connectionString },
      ...{ hubConnectionString: rig.hub.connectionString(), caPem: rig.hub.caPem, ...request },
    };
    const program = join(import.meta.dirname, 'testing', 'killed-while-registering.ts');
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: rig.hub.caPath };
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: 'ignore', env });
    const [code, signal] = await once(child, 'exit');
    assert.deepEqual([code, signal], [null, 'SIGKILL']);
    assert.notEqual(rig.hub.engine.registry.get('killed'), undefined);
    assert.equal(await collections.devices.countDocuments({ _id: 'killed' }), 0);
    const { device, enrolmentToken } = await devices.registerDevice(request);
    assert.equal(device?.deviceId, 'killed');
    assert.equal((await devices.registerDevice(request)).enrolmentToken, enrolmentToken);
  });
});
