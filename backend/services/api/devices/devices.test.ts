/** Devices over the network: register, find, change, retire, purge. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { Connectivity, ErrorInfoSchema, ErrorReason } from '@iotdh/proto/fleet/v1';
import { apiRig, type Protocol } from '../testing/rig.ts';

test('devices are registered, found, changed, retired and purged', async (t) => {
  const rig = await apiRig(t);
  const { devices } = rig;
  const requestId = randomUUID();

  const registered = await devices.registerDevice({
    deviceId: 'ward-7',
    displayName: 'Carto (left)',
    site: 'St. Mary+',
    labels: { model: 'carto', wing: 'east' },
    requestId,
  });
  assert.equal(registered.device?.connectivity, Connectivity.AWAITED);
  assert.equal(registered.device?.revision, 1n);
  assert.ok(registered.enrolmentToken.length >= 32);

  await t.test(
    'a retry with the same request id gets the same token, and the database does not hold it',
    async () => {
      const again = await devices.registerDevice({
        deviceId: 'ward-7',
        displayName: 'Carto (left)',
        site: 'St. Mary+',
        labels: { wing: 'east', model: 'carto' },
        requestId,
      });
      assert.equal(again.enrolmentToken, registered.enrolmentToken);
      const { collections } = rig.database;
      const kept = JSON.stringify([
        await collections.devices.find().toArray(),
        await collections.requests.find().toArray(),
        await collections.events.find().toArray(),
      ]);
      assert.ok(!kept.includes(registered.enrolmentToken));
      const sealed = await collections.requests.findOne({});
      assert.ok(!Buffer.from(sealed?.response.buffer ?? []).includes(registered.enrolmentToken));
    },
  );

  await t.test('its identity is in the hub, and no certificate connects with it yet', async () => {
    const identity = rig.hub.engine.registry.get('ward-7');
    assert.equal(identity?.authentication.type, 'selfSigned');
    assert.match(identity?.authentication.x509Thumbprint.primaryThumbprint ?? '', /^[0-9A-F]{64}$/);
  });

  await t.test(
    'a device that must enrol again has another token, and the one before is no longer good',
    async () => {
      const request = { deviceId: 'ward-7', requestId: randomUUID() };
      const issued = await devices.issueEnrolmentToken(request);
      assert.deepEqual(await devices.issueEnrolmentToken(request), issued);
      assert.notEqual(issued.enrolmentToken, registered.enrolmentToken);
      const { devices: kept, requests } = rig.database.collections;
      const { enrolment } = (await kept.findOne({ _id: 'ward-7' })) ?? {};
      assert.equal(enrolment?.tokenDigest, createHash('sha256').update(issued.enrolmentToken).digest('hex'));
      assert.ok(!JSON.stringify(await requests.find().toArray()).includes(issued.enrolmentToken));
    },
  );

  await t.test('every protocol answers', async () => {
    for (const protocol of ['connect', 'grpc', 'grpc-web'] satisfies Protocol[]) {
      const { device } = await rig.clients(rig.api, { protocol }).devices.getDevice({ deviceId: 'ward-7' });
      assert.equal(device?.site, 'St. Mary+', protocol);
    }
  });

  await t.test('a list is filtered, and its text is no pattern', async () => {
    for (const deviceId of ['ward-8', 'ward-9', 'lab.1'])
      await devices.registerDevice({ deviceId, site: 'lab' });
    const ids = async (filter: Parameters<typeof devices.listDevices>[0]['filter']) =>
      (await devices.listDevices({ ...(filter && { filter }) })).devices.map((device) => device.deviceId);
    assert.deepEqual(await ids(undefined), ['lab.1', 'ward-7', 'ward-8', 'ward-9']);
    assert.deepEqual(await ids({ text: 'WARD' }), ['ward-7', 'ward-8', 'ward-9']);
    assert.deepEqual(await ids({ text: '.' }), ['lab.1', 'ward-7']);
    assert.deepEqual(await ids({ text: '(left)' }), ['ward-7']);
    assert.deepEqual(await ids({ text: 'mary+' }), ['ward-7']);
    assert.deepEqual(await ids({ text: '.*' }), []);
    assert.deepEqual(await ids({ labels: { wing: 'east', model: 'carto' } }), ['ward-7']);
    assert.deepEqual(await ids({ labels: { wing: 'west' } }), []);
    assert.deepEqual(await ids({ sites: ['lab'], deviceIds: ['ward-9', 'ward-7'] }), ['ward-9']);
    assert.deepEqual(await ids({ connectivity: Connectivity.CONNECTED }), []);
  });

  await t.test('pages follow one another, and a token serves only its own list', async () => {
    const first = await devices.listDevices({ pageSize: 3 });
    assert.equal(first.totalSize, 4n);
    assert.equal(first.devices.length, 3);
    const second = await devices.listDevices({ pageSize: 2, pageToken: first.nextPageToken });
    assert.deepEqual(
      second.devices.map((device) => device.deviceId),
      ['ward-9'],
    );
    assert.equal(second.nextPageToken, '');
    await assert.rejects(devices.listDevices({ filter: { text: 'w' }, pageToken: first.nextPageToken }), {
      code: Code.InvalidArgument,
    });
  });

  await t.test('a change needs the revision that it was made to', async () => {
    const { device } = await devices.updateDevice({ deviceId: 'ward-7', revision: 1n, site: '' });
    assert.deepEqual([device?.site, device?.displayName, device?.revision], ['', 'Carto (left)', 2n]);
    await assert.rejects(devices.updateDevice({ deviceId: 'ward-7', revision: 1n, site: 'x' }), {
      code: Code.Aborted,
    });
    const repeated = { deviceId: 'ward-7', displayName: 'Carto', requestId: randomUUID() };
    const once = await devices.updateDevice(repeated);
    const twice = await devices.updateDevice(repeated);
    assert.deepEqual(twice, once);
  });

  await t.test('a queue is emptied in the hub, and a device that is away has no count', async () => {
    const empty = await devices.purgeDevice({ deviceId: 'ward-7' });
    assert.equal(empty.hubMessages, 0n);
    assert.equal(empty.deviceMessages, undefined);
  });

  await t.test('retiring disables the identity, and again changes nothing', async () => {
    const { device } = await devices.retireDevice({ deviceId: 'ward-8', reason: 'sold' });
    assert.notEqual(device?.retireTime, undefined);
    assert.equal(rig.hub.engine.registry.get('ward-8')?.status, 'disabled');
    const again = await devices.retireDevice({ deviceId: 'ward-8', reason: 'other' });
    assert.deepEqual(again.device, device);
    assert.equal((await devices.listDevices({})).totalSize, 3n);
    assert.equal((await devices.listDevices({ filter: { includeRetired: true } })).totalSize, 4n);
  });

  await t.test('a registration that another replica makes at the same time is made once', async () => {
    const other = rig.clients(await rig.replica()).devices;
    const outcomes = await Promise.allSettled(
      [devices, other, devices, other].map((client) => client.registerDevice({ deviceId: 'contested' })),
    );
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(failed.length, 3);
    for (const { reason } of failed) {
      const [info] = ConnectError.from(reason).findDetails(ErrorInfoSchema);
      assert.equal(info?.reason, ErrorReason.RESOURCE_CONFLICT);
    }
    const same = { deviceId: 'repeated', requestId: randomUUID() };
    const answers = await Promise.all([devices, other].map((client) => client.registerDevice(same)));
    assert.equal(answers[0]?.enrolmentToken, answers[1]?.enrolmentToken);
  });
});
