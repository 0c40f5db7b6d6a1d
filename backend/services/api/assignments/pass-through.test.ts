import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { ProductKind, State } from '@iotdh/proto/agent/v1';
import {
  DeviceReportSchema,
  ErrorInfoSchema,
  ErrorReason,
  PassThroughMissingSchema,
} from '@iotdh/proto/fleet/v1';
import { RequirementsSchema } from '@iotdh/proto/update/v1';
import { apiRig, testManifest } from '../testing/rig.ts';

test('a pack is refused for a device that skipped a version, with the pack that comes first', async (t) => {
  const { devices, packs, assignments, database, sign } = await apiRig(t);
  const { devices: documents, packs: packDocuments } = database.collections;
  const published = async (version: string, through: string[] = []) => {
    const made = testManifest({
      ...{ name: 'carto', version },
      change(manifest) {
        const mustPassThrough = through.map((one) => ({ product: 'carto', version: one }));
        manifest.requirements = create(RequirementsSchema, { mustPassThrough });
      },
    });
    const { pack } = await packs.createPack({ manifest: made.bytes });
    await sign(made);
    // Its objects are not what is tested here.
    await packDocuments.updateOne({ _id: pack!.packId }, { $set: { state: 'published' } });
    return pack!.packId;
  };
  const has = async (deviceId: string, version: string, earlierVersions: string[]) => {
    await devices.registerDevice({ deviceId });
    const report = create(DeviceReportSchema, {
      ...{ agentVersion: '1', platform: {}, time: timestampFromMs(0) },
      snapshot: { journalId: deviceId, state: State.READY },
      inventory: [
        { kind: ProductKind.HOST_APPLICATION, product: { product: 'carto', version }, earlierVersions },
      ],
    });
    await documents.updateOne(
      { _id: deviceId },
      { $set: { report: toJson(DeviceReportSchema, report) as never } },
    );
  };
  await has('passed', '8.2', ['8.0', '8.1']);
  await has('skipped', '8.2', ['8.0']);
  await has('beyond', '8.2', []);
  await devices.registerDevice({ deviceId: 'silent' });
  const update = await published('9.0', ['8.1']);

  const refused = async () => {
    const deviceIds = ['passed', 'skipped', 'beyond'];
    const error = await assignments.createAssignments({ packId: update, deviceIds }).then(
      () => assert.fail('was assigned'),
      (failure: unknown) => ConnectError.from(failure),
    );
    assert.equal(error.code, Code.FailedPrecondition, error.message);
    assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, ErrorReason.PASS_THROUGH_MISSING);
    const [detail] = error.findDetails(PassThroughMissingSchema);
    assert.deepEqual([detail?.deviceId, detail?.missing?.version], ['skipped', '8.1']);
    return { message: error.rawMessage, packId: detail?.packId };
  };
  assert.match((await refused()).message, /no published pack brings it: publish one first$/);
  const between = await published('8.1');
  const named = await refused();
  assert.equal(named.packId, between);
  assert.match(
    named.message,
    /^device skipped must have had carto 8\.1 before; assign carto@8\.1 \(.*\) first$/,
  );
  assert.equal((await database.collections.assignments.countDocuments()) as number, 0);
  const made = await assignments.createAssignments({
    packId: update,
    deviceIds: ['passed', 'beyond', 'silent'],
  });
  assert.equal(made.assignments.length, 3);
});
