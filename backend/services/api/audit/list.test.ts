import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { ConsentSchema, Event, State, StateChangedSchema } from '@iotdh/proto/agent/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { Long } from 'mongodb';
import { apiRig } from '../testing/rig.ts';

const time = (second: number) => timestampFromMs(1_700_000_000_000 + second * 1000);
const received = (second: number) => new Date(1_700_000_100_000 + second * 1000);

function consentOf(deviceId: string, second: number) {
  const record = create(ConsentSchema, {
    ...{ consentId: randomUUID(), manifestDigest: new Uint8Array(32).fill(second), kind: UpdateKind.PATCH },
    ...{ person: { id: `nurse-${second}`, name: 'N. Seven' }, shownText: 'Install it?', time: time(second) },
    decision: { case: 'confirm', value: {} },
  });
  const json = toJson(ConsentSchema, record) as JsonObject;
  return { _id: randomUUID(), deviceId, receivedTime: received(second), record: json };
}

function moveOf(deviceId: string, sequence: number, to: State, words: string) {
  const moved = { from: State.WAIT_CONFIRM_PATCH, to, event: Event.SDK_CONFIRMPATCH, time: time(sequence) };
  const record = create(StateChangedSchema, { sequence: BigInt(sequence), ...moved });
  const journalId = randomUUID();
  return {
    sequence: Long.fromNumber(sequence),
    ...{ _id: `${deviceId}/${journalId}/${sequence}`, deviceId, journalId },
    ...{ from: 'wait_confirm_patch', to: words, event: 'sdk_confirmpatch' },
    ...{ deviceTime: received(sequence), receivedTime: received(sequence) },
    record: toJson(StateChangedSchema, record) as JsonObject,
  };
}

test('decisions are listed page by page, the last first, and of all moves those with which an update began to be applied', async (t) => {
  const { audit, clients, api, database } = await apiRig(t);
  const rows = [1, 2, 3].map((second) => consentOf('carto-1', second));
  await database.collections.consents.insertMany([...rows, consentOf('carto-2', 4)]);

  const people = (page: Awaited<ReturnType<typeof audit.listConsents>>) =>
    page.consents.map(({ deviceId, consent }) => `${deviceId} ${consent?.person?.id}`);
  const first = await audit.listConsents({ deviceId: 'carto-1', pageSize: 2 });
  assert.deepEqual(people(first), ['carto-1 nurse-3', 'carto-1 nurse-2']);
  const { nextPageToken: pageToken } = first;
  const second = await audit.listConsents({ deviceId: 'carto-1', pageSize: 2, pageToken });
  assert.deepEqual(people(second), ['carto-1 nurse-1']);
  assert.equal(second.nextPageToken, '');
  assert.equal(people(await audit.listConsents({}))[0], 'carto-2 nurse-4');
  const another = audit.listConsents({ deviceId: 'carto-2', pageSize: 2, pageToken });
  await assert.rejects(another, (error) => ConnectError.from(error).code === Code.InvalidArgument);

  const applied = moveOf('carto-1', 5, State.APPLYING_PATCH, 'applying_patch');
  const base = moveOf('carto-2', 9, State.APPLYING_BASE, 'applying_base');
  const other = moveOf('carto-1', 6, State.READY, 'ready');
  await database.collections.states.insertMany([applied, base, other]);

  const { applications } = await audit.listApplications({});
  assert.deepEqual(
    applications.map(({ deviceId, journalId, move }) => [deviceId, journalId, Number(move?.sequence)]),
    [
      ['carto-2', base.journalId, 9],
      ['carto-1', applied.journalId, 5],
    ],
  );
  const mine = await audit.listApplications({ deviceId: 'carto-1' });
  assert.equal(mine.applications.length, 1);
  const stranger = clients(api, { token: null }).audit.listApplications({});
  await assert.rejects(stranger, (error) => ConnectError.from(error).code === Code.Unauthenticated);
});
