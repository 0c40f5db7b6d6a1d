import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  Activity,
  DigestMismatchSchema,
  ErrorInfoSchema,
  ErrorReason,
  Event,
  LeaseUnknownSchema,
  LogLevel,
  PostponeRefusedSchema,
  RequestIdReusedSchema,
  SequenceUnavailableSchema,
  SpoolFullSchema,
  State,
  TransitionRefusedSchema,
} from '@iotdh/proto/agent/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { digestFromHex } from './names.ts';
import type { StoredHold } from './store/hold-table.ts';
import { type AgentClient, clientOf } from './testing/clients.ts';
import { pack, rigFor } from './testing/rig.ts';

const reason = { activity: Activity.PROCEDURE, text: '' };
const person = { id: 'jd@site', name: 'Jane Doe' };
const minute = durationFromMs(60_000);
const patchDigest = digestFromHex(pack.patch.digest);
const confirm = { kind: { case: 'confirm' as const, value: {} } };

/** The error of a call that fails with this code and this one detail. */
async function refused<Desc extends DescMessage>(
  call: Promise<unknown>,
  code: Code,
  errorReason: ErrorReason,
  desc?: Desc,
): Promise<MessageShape<Desc> | undefined> {
  const error = await call.then(
    () => assert.fail('was not refused'),
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof ConnectError, String(error));
  assert.equal(error.code, code, error.message);
  assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, errorReason);
  return desc && error.findDetails(desc)[0];
}

/** The rig with a client, in READY. */
async function readyRig(t: Parameters<typeof rigFor>[0], options?: Parameters<typeof rigFor>[1]) {
  const rig = await rigFor(t, options);
  const client = clientOf(rig);
  await client.setReady({});
  return { rig, client };
}

const entry = (message: string) => ({
  time: timestampFromMs(0),
  level: LogLevel.INFO,
  component: 'carto.mapping',
  message,
  attributes: { b: '2', a: '1' },
});

test('an agent that starts for the first time is held in BUSY by nobody in particular', async (t) => {
  const rig = await rigFor(t);
  const { snapshot } = await clientOf(rig).getState({});
  assert.equal(snapshot?.state, State.BUSY);
  assert.equal(snapshot.sequence, 0n);
  assert.equal(snapshot.holds.length, 1);
  assert.equal(snapshot.holds[0]?.leaseId, '');
  assert.equal(timestampMs(snapshot.stateTime!), rig.clock.now());
});

test('ready and busy move the agent, and a second hold changes no state', async (t) => {
  const { client } = await readyRig(t);
  const first = await client.setBusy({ reason });
  assert.equal(first.snapshot?.state, State.BUSY);
  assert.equal(first.snapshot.sequence, 2n);
  const second = await client.setBusy({ reason, leaseDuration: minute });
  assert.equal(second.snapshot?.sequence, 2n);
  assert.equal(second.snapshot.holds.length, 2);
  const released = await client.setReady({ leaseId: second.hold?.leaseId ?? '' });
  assert.equal(released.snapshot?.state, State.BUSY);
  const all = await client.setReady({});
  assert.equal(all.snapshot?.state, State.READY);
  assert.deepEqual(all.snapshot.holds, []);
});

test('ready is refused outside BUSY, and busy while an update is applied', async (t) => {
  const { rig, client } = await readyRig(t);
  const refusal = await refused(
    client.setReady({}),
    Code.FailedPrecondition,
    ErrorReason.TRANSITION_REFUSED,
    TransitionRefusedSchema,
  );
  assert.equal(refusal?.state, State.READY);
  assert.equal(refusal.event, Event.SDK_CMDREADY);
  await rig.bringTo('APPLYING_PATCH');
  for (const leaseDuration of [minute, undefined]) {
    const call = client.setBusy({ reason, ...(leaseDuration && { leaseDuration }) });
    const applying = await refused(
      call,
      Code.FailedPrecondition,
      ErrorReason.TRANSITION_REFUSED,
      TransitionRefusedSchema,
    );
    assert.equal(applying?.state, State.APPLYING_PATCH);
    assert.equal(applying.event, Event.SDK_CMDBUSY);
  }
});

test('a lease that does not exist can be neither renewed nor released', async (t) => {
  const client = clientOf(await rigFor(t));
  const leaseId = randomUUID();
  const calls = [client.setReady({ leaseId }), client.setBusy({ reason, leaseId, leaseDuration: minute })];
  for (const call of calls) {
    const unknown = await refused(call, Code.NotFound, ErrorReason.LEASE_UNKNOWN, LeaseUnknownSchema);
    assert.equal(unknown?.leaseId, leaseId);
  }
});

test('64 holds are enough', async (t) => {
  const client = clientOf(await rigFor(t));
  for (let count = 1; count < 64; count += 1) await client.setBusy({ reason });
  await refused(client.setBusy({ reason }), Code.ResourceExhausted, ErrorReason.TOO_MANY_HOLDS);
});

test('two clients hold the agent, and only the end of the last lease makes it ready', async (t) => {
  const { rig, client } = await readyRig(t);
  const other = clientOf(rig);
  const short = await client.setBusy({ reason, leaseDuration: durationFromMs(10_000) });
  const long = await other.setBusy({ reason, leaseDuration: durationFromMs(30_000) });
  rig.clock.advance(9000);
  const renewed = await client.setBusy({
    ...{ reason: { activity: Activity.SERVICE, text: 'calibration' } },
    ...{ leaseId: short.hold?.leaseId ?? '', leaseDuration: durationFromMs(10_000) },
  });
  assert.equal(renewed.snapshot?.holds[0]?.reason?.text, 'calibration');
  rig.clock.advance(9999);
  assert.equal((await client.getState({})).snapshot?.holds.length, 2);
  rig.clock.advance(1);
  const left = (await other.pollState({ timeout: durationFromMs(0) })).snapshot?.holds ?? [];
  assert.deepEqual(
    left.map(({ leaseId }) => leaseId),
    [long.hold?.leaseId],
  );
  rig.clock.advance(20_000);
  await rig.reached('READY');
});

test('the end of a hold is flushed before it is answered, unless it is a lease that would end by itself if a power cut brought it back', async (t) => {
  const { rig, client } = await readyRig(t);
  const lost: StoredHold[] = [];
  function watchUnflushed(): void {
    const { store } = rig;
    const { writeSoon } = store;
    store.writeSoon = (work) => {
      const before = store.holds.all();
      const recorded = writeSoon(work);
      const left = new Set(store.holds.all().map(({ id }) => id));
      lost.push(...before.filter(({ id }) => !left.has(id)));
      return recorded;
    };
  }
  watchUnflushed();
  const leaseOf = async () => {
    const { hold } = await client.setBusy({ reason, leaseDuration: minute });
    return hold?.leaseId ?? '';
  };
  await client.setBusy({ reason });
  await client.setReady({ leaseId: await leaseOf() });
  await client.setBusy({ reason });
  await client.setReady({});
  const [first, second] = [await leaseOf(), await leaseOf()];
  await client.setReady({ leaseId: first });
  assert.equal(lost.length, 2);
  for (const { leaseId, expireMs } of lost) assert.ok(leaseId !== '' && expireMs !== null);

  // The power cut: what was not flushed has not happened.
  const back = lost.at(-1) ?? assert.fail();
  assert.equal(back.leaseId, first);
  rig.store.write(() => void rig.store.holds.insert(back));
  await rig.stop();
  await rig.start();
  await client.setReady({ leaseId: second });
  assert.equal((await client.getState({})).snapshot?.state, State.BUSY);
  rig.clock.advance(60_000);
  await rig.reached('READY');
});

test('a wall clock that jumps neither ends a lease nor prolongs it', async (t) => {
  const { rig, client } = await readyRig(t);
  await client.setBusy({ reason, leaseDuration: minute });
  rig.clock.jump(86_400_000);
  rig.clock.advance(59_999);
  assert.equal((await client.getState({})).snapshot?.state, State.BUSY);
  rig.clock.jump(-172_800_000);
  rig.clock.advance(1);
  await rig.reached('READY');
});

test('the lease of a host application that crashed ends also if the agent was started anew meanwhile', async (t) => {
  const { rig, client } = await readyRig(t);
  const { hold } = await client.setBusy({ reason, leaseDuration: minute });
  rig.clock.advance(20_000);
  await rig.stop();
  rig.clock.advance(10_000);
  await rig.start();
  rig.clock.advance(29_999);
  const { snapshot } = await client.getState({});
  assert.equal(snapshot?.holds[0]?.leaseId, hold?.leaseId);
  rig.clock.advance(1);
  await rig.reached('READY');
});

test('a lease that ran out while the agent was away can still be renewed for a moment', async (t) => {
  const { rig, client } = await readyRig(t);
  const { hold } = await client.setBusy({ reason, leaseDuration: minute });
  await rig.stop();
  rig.clock.advance(3_600_000);
  await rig.start();
  rig.clock.advance(9_999);
  await client.setBusy({ reason, leaseId: hold?.leaseId ?? '', leaseDuration: minute });
  rig.clock.advance(59_999);
  assert.equal((await client.getState({})).snapshot?.state, State.BUSY);
});

test('holds outlive the agent’s restart, and a hold outside BUSY does not', async (t) => {
  const { rig, client } = await readyRig(t);
  await client.setBusy({ reason: { ...reason, text: 'exam' } });
  await rig.stop();
  await rig.start();
  assert.equal((await client.getState({})).snapshot?.holds[0]?.reason?.text, 'exam');
  await client.setReady({});
  // As an agent left it that wrote the hold before it moved, and was killed in between.
  const left = { leaseId: '', requestId: '', reason: new Uint8Array(), startMs: 0 };
  rig.store.write(() => void rig.store.holds.insert({ ...left, durationMs: null, expireMs: null }));
  await rig.stop();
  await rig.start();
  assert.equal(rig.store.holds.all().length, 0);
});

test('a confirmation names what the person was shown, starts the patch and stays on record', async (t) => {
  const { rig, client } = await readyRig(t);
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const wrong = client.confirmPatch({ manifestDigest: new Uint8Array(32), person, decision: confirm });
  const mismatch = await refused(
    wrong,
    Code.FailedPrecondition,
    ErrorReason.DIGEST_MISMATCH,
    DigestMismatchSchema,
  );
  assert.deepEqual(mismatch?.pendingManifestDigest, patchDigest);
  assert.deepEqual(mismatch.givenManifestDigest, new Uint8Array(32));
  const base = client.confirmBase({ manifestDigest: patchDigest, person, decision: confirm });
  await refused(base, Code.FailedPrecondition, ErrorReason.TRANSITION_REFUSED);

  const applied = rig.ports.called('apply_patch');
  const { snapshot, consent } = await client.confirmPatch({
    manifestDigest: patchDigest,
    person,
    decision: confirm,
  });
  assert.equal(snapshot?.state, State.APPLYING_PATCH);
  assert.equal(consent?.shownText, 'A patch\n\nWhat changes.');
  assert.equal(consent.kind, UpdateKind.PATCH);
  assert.equal(consent.person?.name, 'Jane Doe');
  assert.equal((await applied).effect.kind, 'apply_patch');
});

test('a confirmation is refused while the machine lacks what the update needs, and the person may still put it off', async (t) => {
  let lacking: string | null = 'the machine is on battery: plug it in';
  const { rig, client } = await readyRig(t, { lacks: async () => lacking });
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const about = { manifestDigest: patchDigest, person };
  const refusal = client.confirmPatch({ ...about, decision: confirm });
  await refused(refusal, Code.FailedPrecondition, ErrorReason.REQUIREMENT_UNMET);
  await assert.rejects(refusal, /the machine is on battery: plug it in; nothing has changed/);
  assert.equal(rig.store.consents.newest().length, 0);
  // It only speaks against applying it.
  const later = timestampFromMs(rig.clock.now() + 60_000);
  await client.confirmPatch({ ...about, decision: { kind: { case: 'postpone', value: { until: later } } } });
  assert.equal((await client.getState({})).snapshot?.state, State.WAIT_CONFIRM_PATCH);
  lacking = null;
  const requestId = '7c0f9a3e-1f1c-4a53-9a3e-0a6f4f5f7a10';
  const confirmed = { ...about, decision: confirm, requestId };
  assert.equal((await client.confirmPatch(confirmed)).snapshot?.state, State.APPLYING_PATCH);
  // The same request once more is answered as it was then, whatever the machine lacks by now.
  lacking = 'the machine is on battery: plug it in';
  assert.equal((await client.confirmPatch(confirmed)).snapshot?.state, State.APPLYING_PATCH);
});

test('a patch that fails its check says so, and a base is confirmed like a patch', async (t) => {
  const { rig, client } = await readyRig(t);
  const reasonForFault = 'the health check exited with 3';
  rig.ports.on('apply_patch', async () => ({
    kind: 'event',
    event: { type: 'integrity_fault', manifestDigest: pack.patch.digest, reason: reasonForFault },
  }));
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const base = pack.base.digest;
  rig.ports.on('start_transfer', async () => ({
    kind: 'event',
    event: { type: 'transfer_complete', manifestDigest: base },
  }));
  rig.ports.on('prompt', async () => ({
    kind: 'event',
    event: { type: 'prompt_issued', manifestDigest: base },
  }));
  await client.confirmPatch({ manifestDigest: patchDigest, person, decision: confirm });
  await rig.reached('WAIT_CONFIRM_BASE');
  const { changes, snapshot } = await client.pollState({ afterSequence: 5n });
  const fault = changes.find(({ event }) => event === Event.INTEGRITY_FAULT);
  assert.equal(fault?.reason, reasonForFault);
  assert.equal(snapshot?.pendingUpdate?.kind, UpdateKind.BASE);
  const confirmed = await client.confirmBase({
    manifestDigest: digestFromHex(base),
    person,
    decision: confirm,
  });
  assert.equal(confirmed.consent?.kind, UpdateKind.BASE);
  assert.equal(confirmed.snapshot?.state, State.APPLYING_BASE);
});

test('a decision can be put off or declined, within limits, and is handed to the backend with its record', async (t) => {
  const { rig, client } = await readyRig(t, { maxPostponeMs: () => 3_600_000 });
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const about = { manifestDigest: patchDigest, person };
  const postpone = (ms: number) =>
    client.confirmPatch({
      ...about,
      decision: { kind: { case: 'postpone', value: { until: timestampFromMs(rig.clock.now() + ms) } } },
    });
  for (const ms of [0, 3_600_001]) {
    const limits = await refused(
      postpone(ms),
      Code.OutOfRange,
      ErrorReason.POSTPONE_REFUSED,
      PostponeRefusedSchema,
    );
    assert.equal(timestampMs(limits!.now!), rig.clock.now());
    assert.equal(timestampMs(limits!.latestTime!), rig.clock.now() + 3_600_000);
  }
  const put = await postpone(3_600_000);
  assert.equal(put.snapshot?.state, State.WAIT_CONFIRM_PATCH);
  assert.equal(timestampMs(put.snapshot.pendingUpdate!.postponedUntil!), rig.clock.now() + 3_600_000);
  const decision = rig.machine.standing().decision;
  assert.ok(decision);
  // The same once more, before the cloud is told of the first: there are two records.
  const again = await postpone(3_600_000);
  const toTell = () => rig.server.consents.toTell(decision);
  const idsOf = (told: ReturnType<typeof toTell>) => told.map(({ consent }) => consent.consentId);
  assert.deepEqual(idsOf(toTell()), [put.consent?.consentId, again.consent?.consentId]);
  toTell()[0]?.markTold();
  assert.deepEqual(idsOf(toTell()), [again.consent?.consentId]);
  toTell()[0]?.markTold();
  // A report that is repeated, since the agent was killed before it was done with it.
  assert.deepEqual(idsOf(toTell()), [again.consent?.consentId]);

  const declined = await client.confirmPatch({
    ...about,
    decision: { kind: { case: 'decline', value: { reason: 'study' } } },
  });
  assert.equal(declined.snapshot?.pendingUpdate?.declined, true);
  assert.equal(declined.consent?.decision.case, 'decline');
});

test('what the backend withdraws is stopped, and a hold that is taken meanwhile is not lost', async (t) => {
  const { rig, client } = await readyRig(t);
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  assert.equal(await rig.server.interrupt(), null);
  assert.equal(rig.machine.standing().state, 'READY');

  const [interrupted, busy] = await Promise.all([rig.server.interrupt(), client.setBusy({ reason })]);
  assert.equal(interrupted, null);
  assert.equal(busy.snapshot?.state, State.BUSY);
  assert.equal(await rig.server.interrupt(), null);
  assert.equal((await client.getState({})).snapshot?.state, State.BUSY);

  await client.setReady({});
  await rig.bringTo('APPLYING_PATCH');
  assert.equal((await rig.server.interrupt())?.kind, 'transition_refused');
});

test('a confirmation outside its state is refused', async (t) => {
  const client = clientOf(await rigFor(t));
  const request = { manifestDigest: patchDigest, person, decision: confirm };
  for (const [call, event] of [
    [client.confirmPatch(request), Event.SDK_CONFIRMPATCH],
    [client.confirmBase(request), Event.SDK_CONFIRMBASE],
  ] as const) {
    const refusal = await refused(
      call,
      Code.FailedPrecondition,
      ErrorReason.TRANSITION_REFUSED,
      TransitionRefusedSchema,
    );
    assert.equal(refusal?.event, event);
    assert.equal(refusal.state, State.BUSY);
  }
});

/** Every mutation with a request id, and what shows how often it was carried out. */
const mutations: Record<string, (client: AgentClient, requestId: string) => Promise<object>> = {
  setBusy: (client, requestId) => client.setBusy({ reason, leaseDuration: minute, requestId }),
  setReady: (client, requestId) => client.setReady({ requestId }),
  submitLog: (client, requestId) => client.submitLog({ entries: [entry('one')], requestId }),
};

for (const [name, call] of Object.entries(mutations)) {
  test(`${name} with the same request id is carried out once and answered as it was, also after a restart`, async (t) => {
    const rig = await rigFor(t);
    const client = clientOf(rig);
    const requestId = randomUUID();
    const [first, second] = await Promise.all([call(client, requestId), call(client, requestId)]);
    assert.deepEqual(second, first);
    const standing = () => [
      rig.machine.standing().cursor.sequence,
      rig.store.holds.all(),
      rig.logStore.lines.bytes(),
    ];
    const before = standing();
    await rig.stop();
    await rig.start();
    assert.deepEqual(await call(clientOf(rig), requestId), first);
    assert.deepEqual(standing(), before);
  });
}

test('a request id that belongs to another request is refused', async (t) => {
  const rig = await rigFor(t);
  const client = clientOf(rig);
  const requestId = randomUUID();
  await client.setBusy({ reason, requestId });
  for (const call of [
    client.setBusy({ reason: { ...reason, text: 'other' }, requestId }),
    client.setReady({ requestId }),
  ]) {
    const reused = await refused(
      call,
      Code.InvalidArgument,
      ErrorReason.REQUEST_ID_REUSED,
      RequestIdReusedSchema,
    );
    assert.equal(reused?.requestId, requestId);
    assert.equal(timestampMs(reused.time!), rig.clock.now());
  }
});

test('the order in which a client writes a map does not make another request', async (t) => {
  const rig = await rigFor(t);
  const client = clientOf(rig);
  const requestId = randomUUID();
  await client.submitLog({ entries: [entry('one')], requestId });
  const attributes = { a: '1', b: '2' };
  await client.submitLog({ entries: [{ ...entry('one'), attributes }], requestId });
  assert.equal(rig.server.log.next(10, 10_000)?.entries.length, 1);
});

test('log lines are durable and in order; what does not fit is refused whole', async (t) => {
  const rig = await rigFor(t, { maxLogBytes: 200 });
  const client = clientOf(rig);
  await client.submitLog({ entries: [entry('one'), entry('two')] });
  await rig.stop();
  await rig.start();
  const spooled = rig.logStore.lines.bytes();
  const full = await refused(
    client.submitLog({ entries: [entry('three'), entry('x'.repeat(200))] }),
    Code.ResourceExhausted,
    ErrorReason.SPOOL_FULL,
    SpoolFullSchema,
  );
  assert.equal(full?.spooledBytes, BigInt(spooled));
  assert.equal(full.maxSpooledBytes, 200n);
  const batch = rig.server.log.next(10, 10_000);
  assert.deepEqual(
    batch?.entries.map(({ message }) => message),
    ['one', 'two'],
  );
  assert.equal(rig.server.log.sent(batch.id), true);
  assert.equal(rig.server.log.next(10, 10_000), null);
});

test('the host application’s version is kept, and said on only when it changes', async (t) => {
  let changes = 0;
  const rig = await rigFor(t, {
    onHostVersion: () => {
      changes += 1;
    },
  });
  const client = clientOf(rig);
  const request = { product: { product: 'Carto', version: '7.2' } };
  await client.reportVersion(request);
  await client.reportVersion(request);
  await rig.stop();
  await rig.start();
  await client.reportVersion(request);
  assert.equal(changes, 1);
  assert.equal(rig.server.hostVersion.last()?.product?.version, '7.2');
});

test('on a full disk nothing changes and the caller is told to come back', async (t) => {
  const { rig, client } = await readyRig(t, { maxStoreBytes: 160 * 1024, maxLogBytes: 1_000_000 });
  const message = 'x'.repeat(8000);
  const fillLog = async (): Promise<never> => {
    for (;;) await client.submitLog({ entries: [entry(message)] });
  };
  await refused(fillLog(), Code.Unavailable, ErrorReason.JOURNAL_UNWRITABLE);

  let requestId = '';
  const fill = async (): Promise<never> => {
    for (;;) {
      requestId = randomUUID();
      await client.setBusy({ reason: { ...reason, text: 'x'.repeat(200) }, requestId });
      requestId = randomUUID();
      await client.setReady({ requestId });
    }
  };
  await refused(fill(), Code.Unavailable, ErrorReason.JOURNAL_UNWRITABLE);
  const { state, cursor } = rig.machine.standing();
  const moves = rig.machine.movesAfter(0, 1000);
  assert.equal(rig.store.holds.all().length, state === 'BUSY' ? 1 : 0);
  assert.equal(rig.store.answers.find(requestId), null);
  assert.equal(rig.store.moves.newest(cursor.journal), cursor.sequence);
  assert.deepEqual([moves.at(-1)?.sequence, moves.at(-1)?.to], [cursor.sequence, state]);
});

test('requests that break a limit of the contract are refused with what they break', async (t) => {
  const client = clientOf(await rigFor(t));
  for (const call of [
    client.setBusy({}),
    client.setBusy({ reason, leaseDuration: durationFromMs(10) }),
    client.setBusy({ reason, leaseId: randomUUID() }),
    client.confirmPatch({ manifestDigest: new Uint8Array(31), person, decision: confirm }),
    client.confirmPatch({ manifestDigest: patchDigest, decision: confirm }),
    client.pollState({ maxChanges: 1001 }),
    client.reportVersion({ product: { product: '', version: '1' } }),
    client.submitLog({ entries: [] }),
  ]) {
    await assert.rejects(call, { code: Code.InvalidArgument });
  }
});

test('moves of another journal, of the future, and moves that are no longer kept cannot be asked for', async (t) => {
  const { client } = await readyRig(t, { maxChanges: 2 });
  await client.setBusy({ reason });
  const { snapshot } = await client.setReady({});
  for (const from of [
    { journalId: randomUUID() },
    { afterSequence: 4n },
    { afterSequence: 0n },
    { afterSequence: 2n ** 64n - 1n },
  ]) {
    for (const call of [client.pollState(from), client.watchState(from)[Symbol.asyncIterator]().next()]) {
      const left = await refused(
        call,
        Code.OutOfRange,
        ErrorReason.SEQUENCE_UNAVAILABLE,
        SequenceUnavailableSchema,
      );
      assert.ok(left);
      assert.equal(left.journalId, snapshot?.journalId);
      assert.deepEqual([left.oldestSequence, left.newestSequence], [2n, 3n]);
    }
  }
  assert.equal((await client.pollState({ afterSequence: 1n })).changes.length, 2);
});
