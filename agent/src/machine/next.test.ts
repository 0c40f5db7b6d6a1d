import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isActivity } from './effect.ts';
import type { DropEvent, MachineEvent } from './event.ts';
import { type Next, next, type RefusalReason } from './next.ts';
import { initialSnapshot, pendingUpdate, type Snapshot } from './snapshot.ts';
import { events, findRow, guards, isNoted, type State, states } from './table.ts';
import { diskFor, eventFor, notedOnly, samplePack, snapshotIn, withoutBase } from './testing/samples.ts';

function accepted(from: Snapshot, event: MachineEvent): Next {
  const outcome = next(from, event);
  assert.ok(outcome.kind === 'next', `${event.type} in ${from.state} is refused`);
  return outcome;
}

function refusal(from: Snapshot, event: MachineEvent): RefusalReason {
  const outcome = next(from, event);
  assert.ok(outcome.kind === 'refused', `${event.type} in ${from.state} is accepted`);
  assert.equal(outcome.state, from.state);
  assert.equal(outcome.event, event.type);
  return outcome.reason;
}

const kinds = ({ effects }: Next) => effects.map(({ kind }) => kind);

describe('every state and every event', () => {
  for (const state of states) {
    for (const name of [...events, ...notedOnly]) {
      for (const guard of name === 'sdk_cmdready' ? guards : [null]) {
        // The base can be named only while it is not known.
        const from = snapshotIn(state, name === 'cloud_fallback' ? withoutBase(samplePack()) : samplePack());
        const event = eventFor(name, from, guard === null ? {} : { guard });
        const to = findRow(state, name, guard)?.[3];
        const title = `${state} + ${name}${guard === null ? '' : ` when ${guard}`}`;
        if (to !== undefined) {
          test(`${title} leads to ${to}`, () => {
            assert.equal(accepted(from, event).to.state, to);
          });
        } else if (isNoted(state, name)) {
          test(`${title} is noted`, () => {
            assert.equal(accepted(from, event).to.state, state);
          });
        } else {
          test(`${title} is refused`, () => {
            const applying = state.startsWith('APPLYING_') && name === 'sdk_cmdbusy';
            assert.equal(refusal(from, event), applying ? 'applying' : 'not_listed');
          });
        }
      }
    }
  }
});

describe('effects', () => {
  const expected: [State, Parameters<typeof eventFor>[0], string[]][] = [
    ['BUSY', 'sdk_cmdready', ['ask_assignment']],
    ['READY', 'cloud_cmdupgrade', ['start_transfer']],
    ['INTRANSIT_PATCH', 'transfer_complete', ['prompt']],
    ['READY_WITHPATCH', 'prompt_issued', []],
    ['WAIT_CONFIRM_PATCH', 'sdk_confirmpatch', ['report', 'apply_patch']],
    ['WAIT_CONFIRM_PATCH', 'sdk_postpone', ['report']],
    ['APPLYING_PATCH', 'integrity_ok', ['report', 'discard', 'ask_assignment']],
    ['APPLYING_PATCH', 'integrity_fault', ['report', 'start_transfer']],
    ['INTRANSIT_BASE', 'transfer_complete', ['prompt']],
    ['WAIT_CONFIRM_BASE', 'sdk_confirmbase', ['report', 'apply_base', 'arm_slot']],
    ['WAIT_CONFIRM_BASE', 'boot_fwupd', ['apply_base', 'arm_slot']],
    ['APPLYING_BASE', 'boot_sys', ['report', 'discard', 'ask_assignment']],
    ['READY', 'sdk_cmdbusy', []],
    ['INTRANSIT_PATCH', 'sdk_cmdbusy', ['stop_transfer']],
    ['READY_WITHPATCH', 'sdk_cmdbusy', []],
    ['WAIT_CONFIRM_BASE', 'sdk_cmdbusy', []],
    ['INTRANSIT_BASE', 'sdk_cmdbusy', ['stop_transfer']],
    ['READY', 'update_dropped', ['report', 'discard']],
    ['BUSY', 'update_dropped', ['report', 'discard']],
    ['INTRANSIT_PATCH', 'update_dropped', ['report', 'stop_transfer', 'discard']],
    ['WAIT_CONFIRM_BASE', 'update_dropped', ['report', 'discard']],
  ];
  for (const [state, name, effects] of expected) {
    test(`${name} in ${state} has the effects: ${effects.join(', ') || 'none'}`, () => {
      const from = snapshotIn(state);
      assert.deepEqual(kinds(accepted(from, eventFor(name, from))), effects);
    });
  }

  test('an activity always comes last, and there is at most one', () => {
    for (const state of states) {
      const from = snapshotIn(state);
      for (const name of events) {
        for (const guard of guards) {
          const outcome = next(from, eventFor(name, from, { guard }));
          if (outcome.kind === 'next') assert.ok(!outcome.effects.slice(0, -1).some(isActivity));
        }
      }
    }
  });

  test('a failed patch makes the base the update that is under way, and says so with the reason', () => {
    const from = snapshotIn('APPLYING_PATCH');
    const { to, effects } = accepted(from, eventFor('integrity_fault', from));
    const base = { updateId: 'update-1', target: 'base', manifest: samplePack().base };
    assert.deepEqual(pendingUpdate(to), base);
    assert.deepEqual(effects, [
      {
        kind: 'report',
        report: {
          kind: 'integrity_fault',
          update: { ...base, target: 'patch', manifest: samplePack().patch },
          reason: 'the health check exited with 3',
        },
      },
      { kind: 'start_transfer', update: base },
    ]);
  });

  test('a base that did not boot is never reported as restored', () => {
    const from = snapshotIn('APPLYING_BASE');
    const event = { type: 'boot_sys', manifestDigest: samplePack().base.digest, proven: false } as const;
    const { to, effects } = accepted(from, event);
    assert.deepEqual(to.memory.finished, { updateId: 'update-1', ending: 'fell_back' });
    assert.ok(effects.some((effect) => effect.kind === 'report' && effect.report.kind === 'ended'));
  });
});

describe('consent', () => {
  test('a confirm of another manifest than the pending one is refused', () => {
    for (const [state, type] of [
      ['WAIT_CONFIRM_PATCH', 'sdk_confirmpatch'],
      ['WAIT_CONFIRM_BASE', 'sdk_confirmbase'],
    ] as const) {
      const event = { type, manifestDigest: 'of something else', person: 'Dr. Sample' };
      assert.equal(refusal(snapshotIn(state), event), 'other_manifest');
    }
  });

  test('the digest of the patch does not confirm its base', () => {
    const manifestDigest = samplePack().patch.digest;
    const event = { type: 'sdk_confirmbase', manifestDigest, person: 'Dr. Sample' } as const;
    assert.equal(refusal(snapshotIn('WAIT_CONFIRM_BASE'), event), 'other_manifest');
  });

  test('whoever confirms, postpones or declines is recorded and reported with the manifest', () => {
    const from = snapshotIn('WAIT_CONFIRM_PATCH');
    for (const [name, answer] of [
      ['sdk_confirmpatch', 'confirm'],
      ['sdk_postpone', 'postpone'],
      ['sdk_decline', 'decline'],
    ] as const) {
      const { decision, effects } = accepted(from, eventFor(name, from));
      assert.deepEqual(decision, {
        answer,
        updateId: 'update-1',
        manifestDigest: samplePack().patch.digest,
        person: 'Dr. Sample',
        untilMs: answer === 'postpone' ? 86_400_000 : null,
      });
      assert.deepEqual(effects[0], { kind: 'report', report: { kind: 'decided', decision } });
    }
  });

  test('a postponement outlives a procedure: the next prompt for this manifest knows of it', () => {
    const asked = snapshotIn('WAIT_CONFIRM_PATCH');
    const { to: postponed, decision } = accepted(asked, eventFor('sdk_postpone', asked));
    const { to: busy } = accepted(postponed, { type: 'sdk_cmdbusy' });
    const [prompt] = accepted(busy, { type: 'sdk_cmdready', disk: diskFor('has_patch') }).effects;
    assert.ok(prompt?.kind === 'prompt');
    assert.deepEqual(prompt.decision, decision);

    const another = { type: 'sdk_cmdready', disk: diskFor('has_patch', samplePack('2')) } as const;
    const [fresh] = accepted(busy, another).effects;
    assert.ok(fresh?.kind === 'prompt');
    assert.equal(fresh.decision, null);
  });

  test('who declined may still confirm', () => {
    const asked = snapshotIn('WAIT_CONFIRM_PATCH');
    const { to: declined } = accepted(asked, eventFor('sdk_decline', asked));
    const { to } = accepted(declined, eventFor('sdk_confirmpatch', declined));
    assert.equal(to.state, 'APPLYING_PATCH');
    assert.equal(to.memory.decision, null);
  });
});

describe('offers', () => {
  test('an upgrade that arrives while BUSY is known as waiting, and the agent asks for it on READY', () => {
    const { to: busy } = accepted(initialSnapshot, eventFor('cloud_cmdupgrade', initialSnapshot));
    assert.equal(busy.state, 'BUSY');
    assert.equal(pendingUpdate(busy)?.updateId, 'update-1');
    const ready = accepted(busy, eventFor('sdk_cmdready', busy));
    assert.equal(ready.to.state, 'READY');
    assert.deepEqual(kinds(ready), ['ask_assignment']);
  });

  test('the same upgrade again while BUSY changes nothing, and another takes its place', () => {
    const { to: busy } = accepted(initialSnapshot, eventFor('cloud_cmdupgrade', initialSnapshot));
    assert.equal(refusal(busy, eventFor('cloud_cmdupgrade', busy)), 'already_assigned');
    const second = eventFor('cloud_cmdupgrade', busy, { pack: samplePack('2') });
    assert.equal(pendingUpdate(accepted(busy, second).to)?.updateId, 'update-2');
  });

  test('an interrupted update is offered again in vain', () => {
    const { to: busy } = accepted(snapshotIn('INTRANSIT_PATCH'), { type: 'sdk_cmdbusy' });
    assert.equal(pendingUpdate(busy)?.updateId, 'update-1');
    assert.equal(refusal(busy, eventFor('cloud_cmdupgrade', busy)), 'already_assigned');
  });

  for (const [state, name] of [
    ['APPLYING_PATCH', 'integrity_ok'],
    ['APPLYING_BASE', 'boot_sys'],
  ] as const) {
    test(`after ${name}, late offers of the update and its remains on disk do not begin it again`, () => {
      const applying = snapshotIn(state);
      const { to: ready } = accepted(applying, eventFor(name, applying));
      assert.equal(refusal(ready, eventFor('cloud_cmdupgrade', ready)), 'already_finished');
      const { to: busy } = accepted(ready, { type: 'sdk_cmdbusy' });
      assert.equal(refusal(busy, eventFor('cloud_cmdupgrade', busy)), 'already_finished');
      for (const guard of guards) {
        assert.equal(accepted(busy, eventFor('sdk_cmdready', busy, { guard })).to.state, 'READY');
      }
      const second = eventFor('cloud_cmdupgrade', ready, { pack: samplePack('2') });
      assert.equal(accepted(ready, second).to.state, 'INTRANSIT_PATCH');
    });
  }
});

describe('a service pack without a base', () => {
  const pack = withoutBase(samplePack());
  const { base } = samplePack();
  const named = { type: 'cloud_fallback', updateId: 'update-1', base } as const;

  test('its base can be named at any time before the patch is proven, and nothing else happens', () => {
    for (const state of ['INTRANSIT_PATCH', 'WAIT_CONFIRM_PATCH', 'APPLYING_PATCH'] as const) {
      const outcome = accepted(snapshotIn(state, pack), named);
      assert.deepEqual(outcome.to, snapshotIn(state));
      assert.deepEqual(outcome.effects, []);
      assert.equal(outcome.overtakes, false);
    }
  });

  test('a patch that fails leaves the machine asking for a base, and nothing is pending', () => {
    const from = snapshotIn('APPLYING_PATCH', pack);
    const failed = accepted(from, eventFor('integrity_fault', from));
    assert.equal(failed.to.state, 'INTRANSIT_BASE');
    assert.equal(pendingUpdate(failed.to), null);
    assert.deepEqual(kinds(failed), ['report', 'ask_assignment']);

    const begun = accepted(failed.to, named);
    assert.equal(begun.to.state, 'INTRANSIT_BASE');
    assert.deepEqual(begun.effects, [
      { kind: 'start_transfer', update: { updateId: 'update-1', target: 'base', manifest: base } },
    ]);
  });

  test('no transfer, prompt or confirm counts before the base is named', () => {
    const from = snapshotIn('INTRANSIT_BASE', pack);
    for (const manifestDigest of [base.digest, samplePack().patch.digest]) {
      assert.equal(refusal(from, { type: 'transfer_complete', manifestDigest }), 'other_manifest');
    }
    assert.deepEqual(kinds(accepted(from, { type: 'sdk_cmdbusy' })), []);
  });

  test('a base that is known stays, and another update cannot bring its own', () => {
    assert.equal(refusal(snapshotIn('INTRANSIT_BASE'), named), 'already_assigned');
    const other = { ...named, updateId: 'update-2' };
    assert.equal(refusal(snapshotIn('INTRANSIT_BASE', pack), other), 'other_update');
  });
});

test('a patch that has failed is never begun, shown or applied again, whatever the host application does', () => {
  for (const pack of [samplePack(), withoutBase(samplePack())]) {
    const applying = snapshotIn('APPLYING_PATCH', pack);
    const { to: failed } = accepted(applying, eventFor('integrity_fault', applying));
    const { to: busy } = accepted(failed, { type: 'sdk_cmdbusy' });
    assert.equal(refusal(busy, { type: 'cloud_cmdupgrade', pack }), 'already_finished');
    for (const guard of ['has_patch', 'has_partpatch'] as const) {
      const again = accepted(busy, { type: 'sdk_cmdready', disk: diskFor(guard, pack) });
      assert.deepEqual(again.to, failed, 'nothing of the base has arrived yet');
    }
  }
});

describe('an update that is dropped', () => {
  const drop: DropEvent = {
    type: 'update_dropped',
    updateId: 'update-1',
    ending: 'refused',
    reason: 'it is for another platform',
  };

  test('is over wherever it was: nothing is pending, and what its effects still say is refused', () => {
    for (const state of states) {
      const from = snapshotIn(state);
      if (!('pack' in from) || state.startsWith('APPLYING_')) continue;
      const { to, overtakes, effects } = accepted(from, drop);
      assert.equal(to.state, state);
      assert.ok(overtakes);
      assert.equal(pendingUpdate(to), null);
      assert.deepEqual(to.memory.finished, { updateId: 'update-1', ending: 'refused' });
      assert.deepEqual(effects[0], {
        kind: 'report',
        report: {
          kind: 'dropped',
          updateId: 'update-1',
          update: pendingUpdate(from),
          ending: 'refused',
          reason: drop.reason,
        },
      });
      for (const name of [
        'transfer_complete',
        'prompt_issued',
        'sdk_confirmpatch',
        'sdk_confirmbase',
      ] as const)
        assert.equal(next(to, eventFor(name, from)).kind, 'refused');

      const { to: busy, effects: left } = accepted(to, { type: 'sdk_cmdbusy' });
      assert.deepEqual(left, []);
      for (const guard of guards)
        assert.equal(accepted(busy, eventFor('sdk_cmdready', busy, { guard })).to.state, 'READY');
    }
  });

  test('cannot be dropped while it is applied, nor twice, nor in the name of another', () => {
    for (const state of ['APPLYING_PATCH', 'APPLYING_BASE'] as const)
      assert.equal(refusal(snapshotIn(state), drop), 'not_listed');
    const { to } = accepted(snapshotIn('READY_WITHPATCH'), drop);
    assert.equal(refusal(to, drop), 'already_finished');
    const other = { ...drop, updateId: 'update-2' };
    assert.equal(refusal(snapshotIn('READY_WITHPATCH'), other), 'other_update');
  });

  test('in BUSY is neither shown as waiting nor found on disk', () => {
    const { to: interrupted } = accepted(snapshotIn('INTRANSIT_PATCH'), { type: 'sdk_cmdbusy' });
    const { to } = accepted(interrupted, drop);
    assert.equal(pendingUpdate(to), null);
    assert.equal(accepted(to, eventFor('sdk_cmdready', to, { guard: 'has_patch' })).to.state, 'READY');
  });

  test('before its offer arrives is not begun by it', () => {
    const { to } = accepted(snapshotIn('READY'), drop);
    assert.equal(refusal(to, eventFor('cloud_cmdupgrade', to)), 'already_finished');
  });
});
