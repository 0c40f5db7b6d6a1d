import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { runHere } from '../../cli/src/testing/fake-fleet.ts';
import { buildPatch } from './packs.ts';
import { rigOfFile } from './rig.ts';
import { person, wholeWay } from './workstation.ts';

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
