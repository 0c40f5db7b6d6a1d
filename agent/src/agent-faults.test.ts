import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { CollectLogsSchema, LogRoute, UpdateOutcome } from '@iotdh/proto/bus/v1';
import { trust } from '../../local-hub/conformance/endpoint.ts';
import { createService } from '../../local-hub/conformance/sdk.ts';
import { deviceId } from './bus/testing/rig.ts';
import { addBase, addPatch } from './testing/pack.ts';
import { createWorkstation, type Workstation } from './testing/workstation.ts';

/** A check that says when it runs and waits until it may end. */
const waitingCheck = 'touch "$TEST_FOLDER/checking"; while [ ! -e "$TEST_FOLDER/go" ]; do sleep 0.05; done\n';

/** Lets the first answers through and holds back the rest, until `release`. */
function holdFrames({ cloud }: Workstation, answers: number): () => void {
  let given = 0;
  cloud.onReply((frames) => {
    given += 1;
    return given <= answers ? frames : [];
  });
  return () => cloud.onReply((frames) => frames);
}

/** What does not happen within this never does. */
const limit = { timeout: 120_000 };
const chain = (station: Workstation) => station.statesTold().map(({ sequence }) => Number(sequence));
const updatesOnDisk = ({ folder }: Workstation) =>
  readdirSync(join(folder, 'data', 'updates'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );

test(
  'an agent that is killed in transit and while applying goes on, and the update ends well',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { client, cloud } = station;
    const pack = addPatch(station.blobs, { version: '2.0', check: waitingCheck, fileBytes: 400_000 });
    await client.ready();
    await station.reached('READY');
    const release = holdFrames(station, 3);
    await cloud.offer(pack);
    await cloud.asked(4);
    await station.kill('SIGKILL');
    release();
    await station.start();
    await station.reached('WAIT_CONFIRM_PATCH');
    await station.confirm();
    await station.made('checking');
    await station.kill('SIGKILL');
    await station.start();
    station.make('go');
    await station.reached('READY');
    assert.equal(station.installed(), '2.0');
    const { payload } = await cloud.said('updateResult');
    assert.equal(payload.value.outcome, UpdateOutcome.APPLIED);
    await cloud.said('stateChanged', ({ sequence }) => sequence === 6n);
    assert.deepEqual([...new Set(chain(station))], [1, 2, 3, 4, 5, 6]);
  },
);

test('a link that is cut in transit delays the update, and no more', limit, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  const pack = addPatch(station.blobs, { version: '2.0', fileBytes: 400_000 });
  await client.ready();
  await station.reached('READY');
  const release = holdFrames(station, 3);
  await cloud.offer(pack);
  await cloud.asked(4);
  release();
  station.hub.faults.inject({ kind: 'cut-link' });
  await station.reached('WAIT_CONFIRM_PATCH');
});

test(
  'a failed check takes everything back, and without slots the base that follows is refused',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { client, cloud } = station;
    const pack = addPatch(station.blobs, { version: '2.0', check: 'echo does not start; exit 3\n' });
    const base = addBase(station.blobs, '1.0');
    await client.ready();
    await station.reached('READY');
    await cloud.offer(pack, { fallback: base.ref });
    await station.reached('WAIT_CONFIRM_PATCH');
    await station.confirm();
    await station.reached('INTRANSIT_BASE');
    assert.equal(station.installed(), '1.0');
    const first = await cloud.said('updateResult');
    assert.equal(first.payload.value.outcome, UpdateOutcome.TAKEN_BACK);
    assert.ok(first.payload.value.steps.some(({ exitCode }) => exitCode === 3));
    const second = await cloud.said('updateResult', ({ manifestDigest }) =>
      Buffer.from(base.ref.digest).equals(manifestDigest),
    );
    assert.equal(second.payload.value.outcome, UpdateOutcome.REFUSED);
    await station.reached('READY');
  },
);

test(
  'a failed patch without a base waits in INTRANSIT_BASE, busy and ready like any other, until a base is offered by itself',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { client, cloud } = station;
    await client.ready();
    await station.reached('READY');
    await cloud.offer(addPatch(station.blobs, { version: '2.0', check: 'exit 3\n' }));
    await station.reached('WAIT_CONFIRM_PATCH');
    await station.confirm();
    await station.reached('INTRANSIT_BASE');
    // The backend ends the assignment, since there is nothing to fall back to.
    await cloud.said('updateResult');
    await cloud.clearPointer();
    const exam = await client.busy({ activity: 'procedure' });
    assert.equal((await client.getState()).state, 'BUSY');
    await exam.release();
    await station.reached('INTRANSIT_BASE');
    // Later somebody offers a base by itself, which this machine has no slots for.
    const base = addBase(station.blobs, '1.0');
    const assignmentId = await cloud.offer(base);
    const { payload } = await cloud.said('updateResult', (result) => result.assignmentId === assignmentId);
    assert.equal(payload.value.outcome, UpdateOutcome.REFUSED);
    assert.deepEqual(Buffer.from(payload.value.manifestDigest), Buffer.from(base.ref.digest));
    await station.reached('READY');
  },
);

test('a cancelled update is stopped, forgotten and reported, and the next one is taken', limit, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  await client.ready();
  await station.reached('READY');
  const release = holdFrames(station, 0);
  const assignmentId = await cloud.offer(addPatch(station.blobs, { version: '2.0' }));
  await cloud.asked(1);
  await cloud.cancel(assignmentId);
  const { payload } = await cloud.said('updateResult');
  assert.equal(payload.value.outcome, UpdateOutcome.CANCELLED);
  assert.equal(payload.value.assignmentId, assignmentId);
  await station.reached('READY');
  release();
  await cloud.offer(addPatch(station.blobs, { version: '2.1' }));
  await station.reached('WAIT_CONFIRM_PATCH');
  assert.equal((await client.getState()).pendingUpdate?.version, '2.1');
  assert.equal(updatesOnDisk(station).length, 1);
});

test('of two offers the newest wins only when the twin points at it', limit, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  await client.ready();
  await station.reached('READY');
  holdFrames(station, 0);
  const first = await cloud.offer(addPatch(station.blobs, { version: '2.0' }));
  await cloud.asked(1);
  await cloud.offer(addPatch(station.blobs, { version: '2.1' }), { point: false });
  cloud.onReply((frames) => frames);
  await cloud.offer(addPatch(station.blobs, { version: '2.2' }));
  const { payload } = await cloud.said('updateResult');
  assert.equal(payload.value.outcome, UpdateOutcome.CANCELLED);
  assert.equal(payload.value.assignmentId, first);
  await station.reached('WAIT_CONFIRM_PATCH');
  assert.equal((await client.getState()).pendingUpdate?.version, '2.2');
  assert.match(station.output, /the offer is refused: .* is under way/);
});

test('a pack that this machine cannot take is refused before a byte of it moves', limit, async (t) => {
  const station = await createWorkstation(t, { roots: {} });
  const { client, cloud } = station;
  await client.ready();
  await station.reached('READY');
  const pack = addPatch(station.blobs, { version: '2.0' });
  await cloud.offer(pack);
  const { payload } = await cloud.said('updateResult');
  assert.equal(payload.value.outcome, UpdateOutcome.REFUSED);
  await station.reached('READY');
  const manifests = [
    pack.ref.digest,
    ...station.repository.files().map(({ digest }) => Buffer.from(digest, 'hex')),
  ];
  for (const { objectDigest } of cloud.requests)
    assert.ok(manifests.some((digest) => Buffer.from(digest).equals(objectDigest)));
});

test(
  'a device that was away asks for what its twin points at, and an offer is waited with while it is busy',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { client, cloud } = station;
    const pack = addPatch(station.blobs, { version: '2.0' });
    await client.getState();
    await cloud.said('hello');
    const assignmentId = await cloud.offer(pack);
    // Heard while it is busy: an offer that came later would be taken at once, and nothing asked for.
    while ((await client.getState()).pendingUpdate === null) await setImmediate();
    await client.ready();
    const { payload } = await cloud.said('offerRequest');
    assert.equal(payload.value.assignmentId, assignmentId);
    await station.reached('WAIT_CONFIRM_PATCH');
  },
);

test(
  'cloudtodevicepurge by Microsoft’s service SDK drops what waits for the device and says how many',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { cloud, hub } = station;
    await cloud.said('hello');
    // Everything is on the device's side of the link before it reads the first of it, and the call is behind it.
    station.freeze();
    const collections = Array.from({ length: 40 }, (): string => randomUUID());
    for (const collectionId of collections) {
      const value = create(CollectLogsSchema, { collectionId, components: ['none'], route: LogRoute.BUS });
      await cloud.send({ case: 'collectLogs', value });
    }
    const session = hub.engine.presence.session(deviceId) ?? assert.fail();
    const { methodHandler } = session;
    const arrived = Promise.withResolvers<void>();
    session.onMethod((call) => {
      arrived.resolve();
      return methodHandler?.(call);
    });
    trust(hub.caPem);
    const service = createService({
      ...{ hostName: hub.hostName, port: hub.port },
      policy(name) {
        const { primaryKey } = hub.engine.policies.get(name) ?? assert.fail();
        return { name, key: primaryKey };
      },
      onStop: (cleanup) => t.after(() => void cleanup()),
    });
    const called = service.invokeDeviceMethod(deviceId, { methodName: 'cloudtodevicepurge' });
    await arrived.promise;
    station.goOn();
    const { result } = await called;
    const { status, payload } = result as { status: number; payload: { totalMessagesPurged: number } };
    assert.equal(status, 200);
    const dropped = payload.totalMessagesPurged;
    assert.ok(dropped > 0 && dropped <= 40, `${dropped}`);
    assert.equal(hub.engine.cloudToDevice.pending(deviceId), 0);
    // What it did not drop it has carried out, and what comes afterwards it carries out as before.
    const last = randomUUID();
    const value = create(CollectLogsSchema, {
      collectionId: last,
      components: ['none'],
      route: LogRoute.BUS,
    });
    await cloud.send({ case: 'collectLogs', value });
    await cloud.said('logBatch', ({ collectionId }) => collectionId === last);
    const carriedOut = cloud.messages.all.filter(
      ({ payload }) => payload.case === 'logBatch' && collections.includes(payload.value.collectionId),
    );
    assert.equal(carriedOut.length, 40 - dropped);
  },
);

test('logs are kept, redacted, sent and collected', limit, async (t) => {
  const station = await createWorkstation(t);
  const { client, cloud } = station;
  await client.log([{ component: 'carto.mapping', message: 'loaded DOE^JOHN' }]);
  const shipped = await cloud.said('logBatch', ({ entries }) =>
    entries.some(({ component }) => component === 'carto.mapping'),
  );
  assert.ok(shipped.payload.value.entries.every(({ message }) => !message.includes('DOE')));
  const collectionId = '3f8a2c1e-5b1d-4c5e-9f43-0c2a1de0b7aa';
  const value = create(CollectLogsSchema, { collectionId, components: ['carto'], route: LogRoute.BUS });
  await cloud.send({ case: 'collectLogs', value });
  const { payload } = await cloud.said('logBatch', (batch) => batch.collectionId === collectionId);
  assert.deepEqual(
    payload.value.entries.map(({ message }) => message),
    ['[name]'],
  );
  assert.equal(payload.value.last, true);
  assert.ok(!existsSync(join(station.folder, 'data', 'connections.json')));
});
