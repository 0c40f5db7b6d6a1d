import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { failPoints } from '../../agent/src/machine/fail-point.ts';
import { buildBase, buildPatch } from './packs.ts';
import { rigOfFile } from './rig.ts';
import { wholeWay } from './workstation.ts';

const rig = rigOfFile();
const [beforeJournal, afterJournal, beforeEffect, afterEffect] = failPoints;

const deathsOf = (events: readonly string[], effects: readonly string[]): string[] => [
  ...events.flatMap((event) => [`${beforeJournal} ${event}`, `${afterJournal} ${event}`]),
  ...effects.flatMap((effect) => [`${beforeEffect} ${effect}`, `${afterEffect} ${effect}`]),
];

describe('killed once at each point of its way', { concurrency: 2 }, () => {
  test('an agent that is killed at every point of a PATCH, once each, still applies it exactly once', {
    timeout: 600_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'killed-patch');
    const packId = await operator.publish(await buildPatch({ folder: rig.folder('patch'), version: '2.0' }));
    const deaths = workstation.dieEverywhere();
    await workstation.host.ready({ signal: t.signal, timeoutMs: Number.POSITIVE_INFINITY });
    await workstation.reached('READY');
    const assignmentId = await operator.assign('killed-patch', packId);
    await workstation.confirm('WAIT_CONFIRM_PATCH');

    const { result } = await operator.ended(assignmentId, t.signal);
    assert.equal(result?.outcome, UpdateOutcome.APPLIED);
    await workstation.reached('READY', 2);
    assert.equal(await workstation.installed(), '2.0');
    assert.deepEqual(workstation.chain(), wholeWay);
    const events = [
      'sdk_cmdready',
      'cloud_cmdupgrade',
      'transfer_complete',
      'prompt_issued',
      'sdk_confirmpatch',
      'integrity_ok',
    ];
    const effects = ['ask_assignment', 'start_transfer', 'prompt', 'apply_patch', 'report', 'discard'];
    // The last of them come after the result that it has told.
    await deaths.at(deathsOf(events, effects));
  });

  test('the same through a failed check, the BASE and the restart of the machine', {
    timeout: 600_000,
  }, async (t) => {
    const { operator } = rig;
    const workstation = await rig.workstation(t, 'killed-base');
    const [packId, fallbackId] = await Promise.all([
      operator.publish(
        await buildPatch({ folder: rig.folder('bad-patch'), version: '3.0', fate: 'fails_its_check' }),
      ),
      operator.publish(await buildBase({ folder: rig.folder('base'), version: '1.0' })),
    ]);
    await workstation.host.ready();
    const assignmentId = await operator.assign('killed-base', packId, fallbackId);
    await workstation.reached('WAIT_CONFIRM_PATCH');
    const deaths = workstation.dieEverywhere();
    await workstation.confirm('WAIT_CONFIRM_PATCH');
    await workstation.confirm('WAIT_CONFIRM_BASE');

    const { result } = await operator.ended(assignmentId, t.signal);
    assert.equal(result?.kind, UpdateKind.BASE);
    assert.equal(result.outcome, UpdateOutcome.APPLIED);
    await workstation.reached('READY', 2);
    assert.equal(await workstation.installed(), '1.0', 'the files of the failed patch are gone');
    assert.deepEqual(workstation.chain().slice(4), [
      'APPLYING_PATCH',
      'INTRANSIT_BASE',
      'READY_WITHBASE',
      'WAIT_CONFIRM_BASE',
      'APPLYING_BASE',
      'READY',
    ]);
    const events = [
      'sdk_confirmpatch',
      'integrity_fault',
      'transfer_complete',
      'prompt_issued',
      'sdk_confirmbase',
      'boot_sys',
    ];
    const effects = [
      'apply_patch',
      'start_transfer',
      'prompt',
      'apply_base',
      'arm_slot',
      'report',
      'discard',
    ];
    // The last of them come after the result that it has told.
    await deaths.at(deathsOf(events, effects));
    const image = await readFile(join(rig.folder('killed-base'), 'slots', 'b', 'system.img'));
    const made = await readFile(join(rig.folder('base'), 'system.img'));
    assert.ok(image.subarray(0, made.length).equals(made), 'the machine runs the image of the BASE');
  });
});
