import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event, State } from '@iotdh/proto/agent/v1';
import { type DeviceToCloud, UpdateOutcome } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { AssignmentDocument } from '../../shared/database/collections.ts';
import { decide } from './decide.ts';
import type { Incoming } from './incoming.ts';
import {
  assignmentDocument,
  baseDigest,
  createJournal,
  deviceDocument,
  patchDigest,
  time,
  withFallback,
} from './testing/samples.ts';
import type { Known } from './writes.ts';

const now = new Date('2026-11-23T13:00:00Z');

function known(assignments: readonly AssignmentDocument[] = []): Known {
  return {
    devices: new Map(['d1', 'd2'].map((id) => [id, deviceDocument(id)])),
    assignments: new Map(assignments.map((assignment) => [assignment._id, assignment])),
    states: new Set(),
    consents: new Set(),
    updateResults: new Set(),
    logBatches: new Set(),
    received: new Set(),
  };
}

const from = (deviceId: string, ...messages: DeviceToCloud[]): Incoming[] =>
  messages.map((message, index) => ({
    kind: 'message',
    position: `0/${index}`,
    deviceId,
    enqueuedTime: time,
    message,
    body: new Uint8Array(),
  }));

const moves: [keyof typeof State, AssignmentDocument['state']][] = [
  ['BUSY', 'waiting'],
  ['READY', 'waiting'],
  ['INTRANSIT_PATCH', 'in_transit'],
  ['READY_WITHPATCH', 'awaiting_consent'],
  ['WAIT_CONFIRM_PATCH', 'awaiting_consent'],
  ['APPLYING_PATCH', 'applying'],
  ['INTRANSIT_BASE', 'in_transit'],
  ['READY_WITHBASE', 'awaiting_consent'],
  ['WAIT_CONFIRM_BASE', 'awaiting_consent'],
  ['APPLYING_BASE', 'applying'],
];

for (const [to, state] of moves) {
  test(`an agent in ${to} with the update pending has its assignment ${state}`, () => {
    const assignment = assignmentDocument('d1', { ...withFallback });
    const before = to === 'BUSY' ? State.READY : State.BUSY;
    const digest = to.endsWith('BASE') ? baseDigest : patchDigest;
    const batch = from('d1', createJournal().move(before, State[to], Event.SDK_CMDREADY, digest));
    const writes = decide(known([assignment]), batch, now);
    assert.equal(writes.states[0]?.to, to.toLowerCase());
    assert.equal(writes.states[0]?.event, 'sdk_cmdready');
    const after = writes.assignments.get(assignment._id);
    assert.equal(after?.state, state);
    assert.equal(after?.progress?.receivedBytes.toNumber(), 5);
  });
}

test('a move with another update pending leaves the assignment as it is', () => {
  const assignment = assignmentDocument('d1');
  const move = createJournal().move(
    State.READY,
    State.INTRANSIT_PATCH,
    Event.CLOUD_CMDUPGRADE,
    'cc'.repeat(32),
  );
  assert.equal(decide(known([assignment]), from('d1', move), now).assignments.size, 0);
});

const ends: [keyof typeof UpdateOutcome, keyof typeof UpdateKind, boolean, boolean][] = [
  ['APPLIED', 'PATCH', true, true],
  ['REFUSED', 'PATCH', true, true],
  ['CANCELLED', 'PATCH', true, true],
  ['TAKEN_BACK', 'PATCH', true, false],
  ['FAILED', 'PATCH', true, false],
  ['TAKEN_BACK', 'PATCH', false, true],
  ['FAILED', 'BASE', true, true],
];

for (const [outcome, kind, fallback, ended] of ends) {
  const title = `${kind} ${outcome} ${fallback ? 'with' : 'without'} a BASE to fall back to`;
  test(`${title} ${ended ? 'ends the assignment and clears the twin' : 'lets it go on'}`, () => {
    const assignment = assignmentDocument('d1', fallback ? withFallback : {});
    const result = createJournal().result(assignment, UpdateOutcome[outcome], UpdateKind[kind]);
    const writes = decide(known([assignment]), from('d1', result), now);
    const after = writes.assignments.get(assignment._id);
    assert.deepEqual([after?.goesOn, after?.state === 'ended'], [!ended, ended]);
    assert.equal((after?.result as { outcome: string } | null)?.outcome, `UPDATE_OUTCOME_${outcome}`);
    assert.deepEqual(
      writes.orders.map(({ kind: order, pointer }) => [order, pointer]),
      ended ? [['pointer', null]] : [],
    );
  });
}

test('a device cannot end the assignment of another', () => {
  const assignment = assignmentDocument('d2');
  const writes = decide(
    known([assignment]),
    from('d1', createJournal().result(assignment, UpdateOutcome.APPLIED)),
    now,
  );
  assert.equal(writes.assignments.size, 0);
  assert.equal(writes.updateResults.length, 0);
  assert.deepEqual(
    writes.setAside.map(({ reason }) => reason),
    ['it names the assignment of another device'],
  );
});

test('a result of an update that came on a stick, which no assignment is of, is kept and shown of the device', () => {
  const unassigned = assignmentDocument('d1');
  const journal = createJournal();
  const said = [journal.hello(), journal.result(unassigned, UpdateOutcome.APPLIED)];
  const writes = decide(known(), from('d1', ...said), now);
  assert.deepEqual(writes.setAside, []);
  assert.equal(writes.updateResults[0]?.assignmentId, unassigned._id);
  const report = writes.devices.get('d1')?.report as Record<string, unknown>;
  assert.equal(report.appliedManifestDigest, Buffer.from(patchDigest, 'hex').toString('base64'));
  assert.match(JSON.stringify(report.inventory), /"version":"2\.0\.0"/);
  assert.equal(writes.assignments.size + writes.orders.length, 0);
});

test('an older message changes no report, and one of another journal does', () => {
  const journal = createJournal();
  const [first, second] = [journal.hello(), journal.hello()];
  const state = known();
  const late = decide(state, from('d1', second, first), now).devices.get('d1');
  assert.equal(late?.reportOrder?.sequence.toNumber(), 2);
  const anew = createJournal();
  const other = decide(state, from('d1', anew.hello()), now).devices.get('d1');
  assert.equal(other?.reportOrder?.journalId, anew.journalId);
});
