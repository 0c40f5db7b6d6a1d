import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Carrier, UpdateOutcome } from '@iotdh/proto/bus/v1';
import { CarrierPolicy, type DeviceReport, PlanObjects, type PlanTraffic } from '@iotdh/proto/fleet/v1';
import { runHere } from '../../cli/src/testing/fake-fleet.ts';
import { isNear, type Metered, metered } from './metered.ts';
import { buildPatch } from './packs.ts';
import { rigOfFile } from './rig.ts';
import { person, startWorkstation, wholeWay } from './workstation.ts';

const rig = rigOfFile();

test('a service pack goes from the operator to a running new version, with a person’s consent', async (t) => {
  const { operator } = rig;
  const workstation = await rig.workstation(t, 'carto-1');
  const { host } = workstation;
  const patch = await buildPatch({ folder: rig.folder('patch'), version: '2.0' });
  const packId = await operator.publish(patch);
  const assignmentId = await operator.assign('carto-1', packId);

  // Nothing happens to a machine in use.
  assert.equal((await host.getState()).state, 'BUSY');
  await host.ready();
  const { pendingUpdate } = await workstation.reached('WAIT_CONFIRM_PATCH');
  assert.ok(pendingUpdate);
  assert.equal(pendingUpdate.manifestDigest, patch.digest);
  assert.equal(await workstation.installed(), '1.0');
  await host.confirm(pendingUpdate, { decision: 'confirm', person });

  const { result } = await operator.ended(assignmentId, t.signal);
  assert.equal(result?.outcome, UpdateOutcome.APPLIED);
  assert.equal(await workstation.installed(), '2.0');
  // The operator may know before the host application does.
  await workstation.reached('READY', 2);
  assert.deepEqual(workstation.chain(), wholeWay);
  assert.ok(
    result.inventory.some(({ product }) => product?.product === 'Workstation' && product.version === '2.0'),
  );
  await auditTrailVerifies();
  assert.ok((await workstation.stop()) < 5_000, 'a clean shutdown takes less than 5 s');
});

/** What the person agreed to is exported, and verified with nothing but the root certificate of the devices. */
async function auditTrailVerifies(): Promise<void> {
  const { apiUrl, caPath, operatorTokenFile, folder } = rig.environment;
  const out = join(rig.folder('trail.jsonl'));
  const env = { IOTDH_API_URL: apiUrl, IOTDH_CA_FILE: caPath, IOTDH_TOKEN_FILE: operatorTokenFile };
  const exported = await runHere(['audit', 'export', '--device', 'carto-1', '--out', out], env);
  assert.equal(exported.code, 0, exported.notes);
  const root = join(folder, 'broker-authority.json');
  const verified = await runHere(['audit', 'verify', out, '--root', root], {});
  assert.equal(verified.code, 0, verified.out);
  const { consents, applications } = JSON.parse(verified.out) as Record<string, number>;
  assert.deepEqual([consents, applications], [1, 1]);
}

/** What each carrier, or a device that chooses, is given to bring. */
const planned: {
  name: string;
  version: string;
  bytes: number;
  smallFiles?: number;
  /** The row of the plan that is compared, and what the assignment is held to. Default: the device chooses. */
  heldTo?: { carrier: Carrier; policy: CarrierPolicy };
  isOverHttps?: boolean;
}[] = [
  { name: 'many small files', version: '12.0', bytes: 400_000, smallFiles: 200 },
  { name: 'one large object', version: '13.0', bytes: 6_000_000 },
  // This is over HTTPS but for what comes first.
  { name: 'so large that it comes over HTTPS', version: '14.0', bytes: 9_000_000, isOverHttps: true },
  {
    ...{ name: 'held to HTTPS', version: '15.0', bytes: 400_000 },
    heldTo: { carrier: Carrier.HTTPS, policy: CarrierPolicy.HTTPS },
  },
  {
    ...{ name: 'held to a stick', version: '16.0', bytes: 400_000 },
    heldTo: { carrier: Carrier.OFFLINE, policy: CarrierPolicy.OFFLINE },
  },
];

test('the prediction of a plan is within 5 % of what the hub meters, by each carrier', async (t) => {
  const { operator } = rig;
  const workstation = await startWorkstation(t, {
    ...{ environment: rig.environment, operator, deviceId: 'planned' },
    folder: rig.folder('planned'),
    // What a device sends besides is no part of a plan.
    configuration: { telemetryIntervalMs: 86_400_000, minLogLevel: 'fatal' },
  });
  const { host } = workstation;
  await host.ready();

  for (const [index, { name, isOverHttps = false, heldTo, ...options }] of planned.entries()) {
    const patch = await buildPatch({ folder: rig.folder(`plan-${index}`), ...options });
    const packId = await operator.publish(patch);
    const reported = async (holds: (report: DeviceReport) => boolean) => {
      for (;;) {
        const { device } = await operator.devices.getDevice({ deviceId: 'planned' });
        if (device?.report !== undefined && holds(device.report)) return;
        await setTimeout(50, undefined, { signal: t.signal });
      }
    };
    // Nothing of what was before is still on its way.
    await reported(({ snapshot }) => Number(snapshot?.sequence ?? 0n) >= workstation.changes.all.length);
    const { plan } = await operator.plans.planUpdate({ packId, devices: { deviceIds: ['planned'] } });
    const rowOf = (wanted: Carrier) =>
      plan?.carriers.find(({ carrier, objects }) => carrier === wanted && objects === PlanObjects.CHEAPEST)
        ?.traffic;
    assert.equal(plan?.auto?.httpsDevices === 1n, isOverHttps, name);
    const chosen = heldTo === undefined ? plan?.auto?.traffic : rowOf(heldTo.carrier);
    const traffic: PlanTraffic = chosen ?? assert.fail('the plan has it');
    if (heldTo === undefined && !isOverHttps) assert.deepEqual(traffic, rowOf(Carrier.BUS));
    const before = await metered(rig.environment);

    const assignmentId = await operator.assign('planned', packId, '', heldTo?.policy);
    if (heldTo?.carrier === Carrier.OFFLINE) {
      await workstation.reached('INTRANSIT_PATCH', index + 1);
      const stick = rig.folder('stick-of-a-plan');
      const { apiUrl, caPath, operatorTokenFile } = rig.environment;
      const env = { IOTDH_API_URL: apiUrl, IOTDH_CA_FILE: caPath, IOTDH_TOKEN_FILE: operatorTokenFile };
      const exported = await runHere(['pack', 'export', patch.folder, '--to', stick], env);
      assert.equal(exported.code, 0, exported.notes);
      assert.match(await workstation.importBundle(stick), /is under way already/);
    }
    await workstation.confirm('WAIT_CONFIRM_PATCH', index + 1);
    const { result } = await operator.ended(assignmentId, t.signal);
    await reported((report) => Buffer.from(report.appliedManifestDigest).toString('hex') === patch.digest);
    assert.equal(await workstation.installed(), options.version);
    if (heldTo !== undefined)
      assert.deepEqual(
        result?.carriers.map(({ carrier, bytes }) => [carrier, bytes]),
        [[heldTo.carrier, result?.carriedBytes]],
      );
    // The pointer is taken back last.
    let after = await metered(rig.environment);
    for (let n = 0; n < 40 && after.operationsByKind.twin - before.operationsByKind.twin < 4; n += 1) {
      await setTimeout(50);
      after = await metered(rig.environment);
    }
    const units = (kind: keyof Metered) => after.byKind[kind] - before.byKind[kind];
    const messages = (kind: keyof Metered) => after.operationsByKind[kind] - before.operationsByKind[kind];
    t.diagnostic(
      `${name}: C2D ${traffic.c2dMessages}/${messages('c2d')}, units ${traffic.c2dUnits}/${units('c2d')}, ` +
        `D2C ${traffic.d2cMessages}/${messages('d2c')}, units ${traffic.d2cUnits}/${units('d2c')}, ` +
        `twin ${traffic.twinUnits}/${units('twin')} (predicted/metered)`,
    );
    isNear(`${name}, C2D messages`, traffic.c2dMessages, messages('c2d'));
    isNear(`${name}, C2D units`, traffic.c2dUnits, units('c2d'));
    isNear(`${name}, D2C messages`, traffic.d2cMessages, messages('d2c'));
    isNear(`${name}, D2C units`, traffic.d2cUnits, units('d2c'));
    isNear(`${name}, twin units`, traffic.twinUnits, units('twin'));
  }
});

test('a signed pack comes on a stick without an assignment, and the fleet learns what became of it', async (t) => {
  const { operator } = rig;
  const workstation = await rig.workstation(t, 'carto-stick');
  const patch = await buildPatch({ folder: rig.folder('patch-stick'), version: '4.0' });
  const stick = rig.folder('stick');
  const { apiUrl, caPath, operatorTokenFile } = rig.environment;
  const program = join(import.meta.dirname, '..', '..', 'cli', 'bin', 'iotdh.js');
  const env = { IOTDH_API_URL: apiUrl, IOTDH_CA_FILE: caPath, IOTDH_TOKEN_FILE: operatorTokenFile };
  const exportPack = () =>
    promisify(execFile)(process.execPath, [program, 'pack', 'export', patch.folder, '--to', stick], {
      env: { ...process.env, ...env },
    });
  const unsigned = await runHere(['pack', 'export', patch.folder, '--to', stick], env);
  assert.match(unsigned.notes, /no device would take workstation@4\.0 \(not_a_target\)/);
  await operator.publish(patch);
  // Somebody else may sign packs too from now on: a device without a link learns of that from the stick as well.
  const { keysFolder } = rig.environment;
  const trusted = ['--root', join(keysFolder, '1.root.json'), '--key', join(keysFolder, 'root-1.pem')];
  const change = [...trusted, '--new-targets', '1', '--no-encrypt', '--yes'];
  const rotated = await runHere(['keys', 'rotate', rig.folder('rotation'), ...change], env);
  assert.equal(JSON.parse(rotated.out || '{}').handedIn, true, rotated.notes);
  await exportPack();
  await workstation.host.ready();
  assert.match(await workstation.importBundle(stick), /^workstation@4\.0 is taken/);
  await workstation.confirm('WAIT_CONFIRM_PATCH');
  await workstation.reached('READY', 2);
  assert.equal(await workstation.installed(), '4.0');
  assert.match(await workstation.said(), /the manifest is signed \(root 2,/);
  for (;;) {
    const { device } = await operator.devices.getDevice({ deviceId: 'carto-stick' });
    const { appliedManifestDigest = new Uint8Array(), inventory = [] } = device?.report ?? {};
    if (Buffer.from(appliedManifestDigest).toString('hex') === patch.digest) {
      assert.ok(inventory.some(({ product }) => product?.version === '4.0'));
      break;
    }
    await setTimeout(50, undefined, { signal: t.signal });
  }
});
