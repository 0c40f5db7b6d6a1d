import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { AssignmentState } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { buildBase, buildPatch } from './packs.ts';
import { rigOfFile } from './rig.ts';
import { person, wholeWay } from './workstation.ts';

const rig = rigOfFile({ services: 'apart' });

/** As many bytes as keep a transfer on its way while something else is killed. */
const largeBytes = 12_000_000;

test('every part of the cloud is killed while a pack is on its way, and the update ends as if none had been', {
  timeout: 180_000,
}, async (t) => {
  const { operator, environment } = rig;
  const workstation = await rig.workstation(t, 'cloud-killed');
  const { host } = workstation;
  const patch = await buildPatch({ folder: rig.folder('large'), version: '2.0', bytes: largeBytes });
  const packId = await operator.publish(patch);
  await host.ready();
  const assignmentId = await operator.assign('cloud-killed', packId);
  await workstation.reached('INTRANSIT_PATCH');
  for (const name of ['firmware-updater', 'd2c-listener', 'hub', 'database', 'api'] as const) {
    await environment.parts[name].kill();
    await environment.parts[name].start();
  }
  await workstation.confirm('WAIT_CONFIRM_PATCH');
  const { result } = await operator.ended(assignmentId, t.signal);
  assert.equal(result?.outcome, UpdateOutcome.APPLIED);
  await workstation.reached('READY', 2);
  assert.deepEqual(workstation.chain(), wholeWay);
  assert.equal(await workstation.installed(), '2.0');
});

describe('what happens to one workstation while others are updated', { concurrency: 3 }, () => {
  test('a machine that is needed in every state on the way gets its update when nobody needs it', {
    timeout: 120_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'needed');
    const { host } = workstation;
    const patch = await buildPatch({ folder: rig.folder('needed-patch'), version: '2.5', bytes: 3_000_000 });
    await host.ready();
    const assignmentId = await operator.assign('needed', await operator.publish(patch));
    for (const state of ['INTRANSIT_PATCH', 'WAIT_CONFIRM_PATCH'] as const) {
      await workstation.reached(state);
      await using _examination = await host.busy('An examination');
      assert.equal((await host.getState()).state, 'BUSY');
      assert.equal(await workstation.installed(), '1.0');
    }
    await workstation.confirm('WAIT_CONFIRM_PATCH', 2);
    const { result } = await operator.ended(assignmentId, t.signal);
    assert.equal(result?.outcome, UpdateOutcome.APPLIED);
    assert.equal(await workstation.installed(), '2.5');
  });

  test('an assignment that is withdrawn before it is confirmed leaves nothing behind, and the next one goes its way', {
    timeout: 120_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'withdrawn');
    const { host } = workstation;
    const [first, second] = await Promise.all([
      buildPatch({ folder: rig.folder('first'), version: '2.1' }).then(operator.publish),
      buildPatch({ folder: rig.folder('second'), version: '2.2' }).then(operator.publish),
    ]);
    await host.ready();
    const withdrawn = await operator.assign('withdrawn', first);
    await workstation.reached('WAIT_CONFIRM_PATCH');
    await assert.rejects(
      operator.assign('withdrawn', second),
      (error) => error instanceof ConnectError && error.code === Code.AlreadyExists,
      'a device has one assignment that goes on',
    );
    await operator.assignments.cancelAssignment({ assignmentId: withdrawn, reason: 'the wrong site' });
    const cancelled = await operator.ended(withdrawn, t.signal);
    assert.equal(cancelled.result?.outcome, UpdateOutcome.CANCELLED);
    assert.equal(await workstation.installed(), '1.0');

    const assignmentId = await operator.assign('withdrawn', second);
    const { pendingUpdate } = await workstation.reached('WAIT_CONFIRM_PATCH', 2);
    assert.equal(pendingUpdate?.version, '2.2');
    await host.confirm(pendingUpdate, { decision: 'confirm', person });
    assert.equal((await operator.ended(assignmentId, t.signal)).result?.outcome, UpdateOutcome.APPLIED);
    assert.equal(await workstation.installed(), '2.2');
  });

  test('an assignment is withdrawn before it is answered and in transit, and is not while it is applied', {
    timeout: 120_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'too-late');
    const { host } = workstation;
    const packId = await operator.publish(
      await buildPatch({
        folder: rig.folder('slow'),
        version: '2.7',
        fate: 'works_slowly',
        bytes: 3_000_000,
      }),
    );
    const cancel = (assignmentId: string) =>
      operator.assignments.cancelAssignment({ assignmentId, reason: 'the wrong day' });
    const outcomeOf = async (assignmentId: string) =>
      (await operator.ended(assignmentId, t.signal)).result?.outcome;

    const unanswered = await operator.assign('too-late', packId);
    await cancel(unanswered);
    assert.equal(await outcomeOf(unanswered), UpdateOutcome.CANCELLED);

    await host.ready();
    const moving = await operator.assign('too-late', packId);
    await workstation.reached('INTRANSIT_PATCH');
    await cancel(moving);
    assert.equal(await outcomeOf(moving), UpdateOutcome.CANCELLED);
    assert.equal(await workstation.installed(), '1.0');

    const assignmentId = await operator.assign('too-late', packId);
    const waiting = await workstation.changes.find(
      ({ to }) => to === 'WAIT_CONFIRM_PATCH',
      t.signal,
      workstation.changes.all.length,
    );
    assert.ok(waiting.pendingUpdate);
    await host.confirm(waiting.pendingUpdate, { decision: 'confirm', person });
    await workstation.reached('APPLYING_PATCH');
    await operator.stateIs(assignmentId, AssignmentState.APPLYING, t.signal);
    await assert.rejects(
      cancel(assignmentId),
      (error) => error instanceof ConnectError && error.code === Code.FailedPrecondition,
    );
    assert.equal(await outcomeOf(assignmentId), UpdateOutcome.APPLIED);
    assert.equal(await workstation.installed(), '2.7');
  });

  test('a wall clock that jumps by days and years changes nothing about the way of an update', {
    timeout: 120_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'clock', { CLOCK: 'jumping' });
    const { host } = workstation;
    const patch = await buildPatch({ folder: rig.folder('timeless'), version: '2.8', bytes: 3_000_000 });
    await host.ready();
    const assignmentId = await operator.assign('clock', await operator.publish(patch));
    await workstation.confirm('WAIT_CONFIRM_PATCH');
    assert.equal((await operator.ended(assignmentId, t.signal)).result?.outcome, UpdateOutcome.APPLIED);
    await workstation.reached('READY', 2);
    assert.deepEqual(workstation.chain(), wholeWay);
    assert.equal(await workstation.installed(), '2.8');
  });

  test('a site engineer starts the machine into firmware update: the BASE that waits needs no host application, whenever the agent dies', {
    timeout: 120_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'engineer');
    const { host } = workstation;
    const [packId, fallbackId] = await Promise.all([
      buildPatch({ folder: rig.folder('fails'), version: '3.0', fate: 'fails_its_check' }).then(
        operator.publish,
      ),
      buildBase({ folder: rig.folder('baseline'), version: '1.0' }).then(operator.publish),
    ]);
    await host.ready();
    const assignmentId = await operator.assign('engineer', packId, fallbackId);
    await workstation.confirm('WAIT_CONFIRM_PATCH');
    await workstation.reached('WAIT_CONFIRM_BASE');
    const request = join(rig.folder('engineer'), 'data', 'firmware-update-requested');
    await writeFile(request, '');
    const deaths = workstation.dieEverywhere('boot_fwupd');
    const { result } = await operator.ended(assignmentId, t.signal);
    assert.equal(result?.kind, UpdateKind.BASE);
    assert.equal(result.outcome, UpdateOutcome.APPLIED);
    await workstation.reached('READY', 2);
    assert.deepEqual(workstation.chain().slice(-3), ['WAIT_CONFIRM_BASE', 'APPLYING_BASE', 'READY']);
    const confirmed = workstation.changes.all.find((change) => change.to === 'APPLYING_BASE');
    assert.equal(confirmed?.event, 'boot_fwupd');
    assert.deepEqual(deaths.points(), ['before_journal boot_fwupd', 'after_journal boot_fwupd']);
    assert.equal(existsSync(request), false, 'one request confirms one base');
  });
});
