/** Plans and the quota over the API, with a real database and real storage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { durationFromMs, durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { Carrier, UpdateOutcome, UpdateResultSchema } from '@iotdh/proto/bus/v1';
import { DeviceReportSchema, HubSku, PlanBound, PlanObjects } from '@iotdh/proto/fleet/v1';
import { Codec, DeltaFormat, type Manifest, ObjectSchema, UpdateKind } from '@iotdh/proto/update/v1';
import { Binary } from 'mongodb';
import { apiRig, publishedPack, sha256, testManifest } from '../testing/rig.ts';

/** Another object that yields what the manifest's first one does, from a base. */
function addDelta({ objects }: Manifest, delta: Buffer, base: Buffer): void {
  const [whole] = objects;
  assert.ok(whole);
  objects.push(
    create(ObjectSchema, {
      ...{ contents: whole.contents, segmentSize: whole.segmentSize },
      digest: sha256(delta),
      size: BigInt(delta.length),
      encoding: {
        case: 'delta',
        value: {
          ...{ format: DeltaFormat.SEGMENTED, codec: Codec.BROTLI },
          base: [{ digest: sha256(base), size: BigInt(base.length) }],
        },
      },
      segmentDigests: { case: 'segments', value: { digests: [sha256(delta)] } },
    }),
  );
}

test('plans and the quota', { timeout: 120_000 }, async (t) => {
  const rig = await apiRig(t);
  const { collections } = rig.database;
  const first = testManifest({ name: 'carto', version: '1.0.0' });
  await publishedPack(rig, { name: 'carto', version: '1.0.0' });
  const delta = Buffer.from('a delta');
  await rig.blobs.objects.put(sha256(delta).toString('hex'), delta);
  const packId = await publishedPack(rig, {
    name: 'carto',
    version: '2.0.0',
    change: (manifest) => addDelta(manifest, delta, first.content),
  });
  for (const deviceId of ['d1', 'd2', 'd3']) await rig.devices.registerDevice({ deviceId, site: 'Boston' });
  const report = create(DeviceReportSchema, {
    ...{ platform: {}, agentVersion: '1', snapshot: {}, time: timestampFromMs(0) },
    appliedManifestDigest: new Uint8Array(sha256(first.bytes)),
  });
  await collections.devices.updateOne(
    { _id: 'd1' },
    { $set: { report: toJson(DeviceReportSchema, report) as never } },
  );

  await t.test('a device that has the base is planned with the delta, and the others whole', async () => {
    const { plan } = await rig.plans.planUpdate({ packId });
    assert.equal(plan?.devices, 3n);
    const [unknown, known] = plan.groups;
    assert.deepEqual([unknown?.devices, unknown?.wholeObjects, unknown?.deltaObjects], [2n, 1n, 0n]);
    assert.deepEqual([known?.devices, known?.wholeObjects, known?.deltaObjects], [1n, 0n, 1n]);
    assert.equal(known?.deltaBytes, BigInt(delta.length));
    const of = plan.carriers.map(({ carrier, objects }) => [carrier, objects]);
    assert.deepEqual(of, [
      [Carrier.BUS, PlanObjects.CHEAPEST],
      [Carrier.HTTPS, PlanObjects.CHEAPEST],
      [Carrier.OFFLINE, PlanObjects.CHEAPEST],
      [Carrier.BUS, PlanObjects.WHOLE],
    ]);
    const [bus, https] = plan.carriers;
    // For each an offer, three files of signed metadata, the manifest and one object.
    assert.equal(bus?.traffic?.c2dMessages, 18n);
    assert.equal(bus.bound, PlanBound.RATE);
    assert.ok(durationMs(bus.duration ?? durationFromMs(0)) > 0);
    assert.equal(https?.traffic?.c2dMessages, 3n);
    // What is small comes by the bus to all that may choose.
    assert.deepEqual(plan.auto?.traffic, bus.traffic);
    assert.deepEqual([plan.auto.httpsDevices, plan.auto.devicesWithoutHttps], [0n, 0n]);
    assert.deepEqual(bus.lossyTraffic, bus.traffic);
  });

  await t.test(
    'a base is planned by the base that a device last applied, whatever it applied since',
    async () => {
      const image = testManifest({ name: 'baseline', version: '1.0.0', kind: 'base' });
      await publishedPack(rig, { name: 'baseline', version: '1.0.0', kind: 'base' });
      const ofImage = Buffer.from('a delta of the image');
      await rig.blobs.objects.put(sha256(ofImage).toString('hex'), ofImage);
      const next = await publishedPack(rig, {
        ...{ name: 'baseline', version: '2.0.0', kind: 'base' },
        change: (manifest) => addDelta(manifest, ofImage, image.content),
      });
      const result = (bytes: Uint8Array, outcome: UpdateOutcome) =>
        toJson(
          UpdateResultSchema,
          create(UpdateResultSchema, { kind: UpdateKind.BASE, outcome, manifestDigest: sha256(bytes) }),
        ) as never;
      const told = { deviceId: 'd1', assignmentId: 'a', receivedTime: new Date(0) };
      await collections.updateResults.insertMany([
        { ...told, _id: 'd1/1', record: result(image.bytes, UpdateOutcome.APPLIED) },
        {
          ...{ ...told, _id: 'd1/2', receivedTime: new Date(1) },
          record: result(Buffer.from('another'), UpdateOutcome.TAKEN_BACK),
        },
      ]);
      const { plan } = await rig.plans.planUpdate({ packId: next });
      const [unknown, known] = plan?.groups ?? [];
      assert.deepEqual([unknown?.devices, unknown?.wholeObjects, unknown?.deltaObjects], [2n, 1n, 0n]);
      assert.deepEqual([known?.devices, known?.wholeObjects, known?.deltaObjects], [1n, 0n, 1n]);
      assert.deepEqual(Buffer.from(known?.baseManifestDigest ?? []), sha256(image.bytes));
    },
  );

  await t.test('what is large comes over HTTPS to the devices that have a certificate', async () => {
    const stored = Buffer.alloc(9_000_000);
    await rig.blobs.objects.put(sha256(stored).toString('hex'), stored);
    const large = await publishedPack(rig, {
      ...{ name: 'carto', version: '3.0.0' },
      change({ objects }) {
        const [whole] = objects;
        const digest = sha256(stored);
        const segmentSize = 3_000_000;
        const digests = [0, 1, 2].map((at) =>
          sha256(stored.subarray(at * segmentSize, (at + 1) * segmentSize)),
        );
        const segmentDigests = { case: 'segments' as const, value: { digests } };
        const encoding = { case: 'whole' as const, value: { codec: Codec.ZSTD } };
        const { contents } = whole ?? assert.fail();
        const object = { digest, size: 9_000_000n, segmentSize, segmentDigests, encoding, contents };
        objects.splice(0, 1, create(ObjectSchema, object));
      },
    });
    const issued = { tokenDigest: '', keyDigest: '', certificate: new Binary(), issueTime: new Date() };
    const until = (ms: number) => ({
      ...issued,
      notBefore: new Date(0),
      notAfter: new Date(Date.now() + ms),
    });
    await collections.certificates.insertMany([
      { ...until(60_000), _id: 'A', deviceId: 'd1' },
      { ...until(60_000), _id: 'B', deviceId: 'd2' },
      { ...until(-60_000), _id: 'C', deviceId: 'd3' },
    ]);
    const { plan } = await rig.plans.planUpdate({ packId: large });
    const [bus, https] = plan?.carriers ?? [];
    assert.ok(plan?.auto !== undefined && bus !== undefined && https !== undefined);
    assert.deepEqual([plan.auto.httpsDevices, plan.auto.devicesWithoutHttps], [2n, 1n]);
    // The offer, and before the objects four small files; by the bus also 148 frames to one of the three.
    assert.equal(plan.auto.traffic?.c2dMessages, 3n * 5n + 148n);
    assert.equal(plan.auto.objectBytes, bus.objectBytes);
    assert.equal(https.traffic?.c2dMessages, 3n);
  });

  await t.test('re-sends make a range, and another hub and a wish are answered', async () => {
    const { plan } = await rig.plans.planUpdate({
      packId,
      devices: { sites: ['Boston'], deviceIds: ['d2', 'd3'] },
      hub: { sku: HubSku.S3, units: 1 },
      carriers: [Carrier.BUS],
      resendPercent: 50,
      finishWithin: durationFromMs(60_000),
    });
    const [bus] = plan?.carriers ?? [];
    assert.equal(plan?.auto, undefined, 'devices may not choose');
    assert.equal(plan?.hub?.sku, HubSku.S3);
    assert.equal(bus?.traffic?.c2dMessages, 12n);
    assert.equal(bus.lossyTraffic?.c2dMessages, 17n);
    assert.ok((bus.lossyTraffic.d2cMessages ?? 0n) > (bus.traffic.d2cMessages ?? 0n));
    assert.deepEqual(
      plan.choices.map(({ hub }) => [hub?.sku, hub?.units]),
      [
        [HubSku.S1, 1],
        [HubSku.S2, 1],
        [HubSku.S3, 1],
      ],
    );
  });

  await t.test('a device or a pack that does not exist is said', async () => {
    const isNotFound = (error: unknown) => error instanceof ConnectError && error.code === Code.NotFound;
    await assert.rejects(rig.plans.planUpdate({ packId, devices: { deviceIds: ['d1', 'd9'] } }), isNotFound);
    await assert.rejects(
      rig.plans.planUpdate({ packId: '00000000-0000-4000-8000-000000000009' }),
      isNotFound,
    );
  });

  await t.test('the quota is shown, with what telemetry used, and its shares are set and reset', async () => {
    const day = (await rig.database.now()).toISOString().slice(0, 10);
    await collections.telemetryUse.insertOne({
      _id: day,
      messages: 90_000,
      units: 300_000,
      time: new Date(),
    });
    const { quota } = await rig.quota.getQuota({});
    assert.deepEqual([quota?.unitsPerDay, quota?.messagesPerMinute], [400_000n, 80n]);
    assert.equal(quota?.telemetry?.units, 300_000n);
    // What telemetry leaves of the day is less than the share.
    assert.equal(quota.frameUnitsLeft, 92_000n);
    assert.equal(quota.sharesSet, false);
    const set = await rig.quota.setQuotaShares({ shares: { ratePercent: 30, dailyPercent: 5 } });
    assert.deepEqual([set.quota?.messagesPerMinute, set.quota?.frameUnitsPerDay], [30n, 20_000n]);
    assert.equal(set.quota?.sharesSet, true);
    const { plan } = await rig.plans.planUpdate({ packId });
    assert.deepEqual([plan?.shares?.ratePercent, plan?.frameUnitsLeft], [30, 20_000n]);
    assert.equal((await rig.quota.setQuotaShares({})).quota?.messagesPerMinute, 80n);
    await assert.rejects(
      rig.quota.setQuotaShares({ shares: { ratePercent: 101, dailyPercent: 5 } }),
      (error) => error instanceof ConnectError && error.code === Code.InvalidArgument,
    );
  });
});
