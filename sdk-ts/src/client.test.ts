import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack, type Rig, rigFor, token } from '../../agent/src/api/testing/rig.ts';
import { AgentError, type AgentErrorCode } from './agent-error.ts';
import { type AgentClient, type AgentClientOptions, createAgentClient } from './client.ts';
import { unixSocketFetch } from './node.ts';
import { createManualClock } from './testing/manual-clock.ts';

/** The same agent by both ways in. */
const ways: Record<string, (rig: Rig, options?: AgentClientOptions) => AgentClient> = {
  'the Unix socket': ({ socketPath }, options) =>
    createAgentClient({ fetch: unixSocketFetch(socketPath), ...options }),
  loopback: ({ url }, options) => createAgentClient({ url, token: async () => `${token}\n`, ...options }),
};
const overSocket = ways['the Unix socket']!;
const overLoopback = ways.loopback!;

const person = { id: 'jd@site', name: 'Jane Doe' };

async function failure(call: Promise<unknown>, code: AgentErrorCode): Promise<AgentError> {
  const error = await call.then(
    () => assert.fail('did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AgentError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}

for (const [way, connect] of Object.entries(ways)) {
  test(`over ${way} a host application does everything that it needs`, async (t) => {
    const rig = await rigFor(t);
    const agent = connect(rig);
    await agent.reportVersion(
      { product: 'Carto', version: '7.2' },
      { parts: [{ product: 'Pump', version: '1' }] },
    );
    assert.equal(rig.server.hostVersion.last()?.parts.length, 1);

    const first = await agent.getState();
    assert.equal(first.state, 'BUSY');
    assert.deepEqual(first.holds[0]?.reason, {});
    assert.equal(first.since.getTime(), rig.clock.now());
    assert.equal((await agent.ready()).state, 'READY');

    const lease = await agent.busy({ activity: 'procedure', text: 'ablation' });
    const busy = await agent.getState();
    assert.deepEqual(busy.holds[0]?.reason, { activity: 'procedure', text: 'ablation' });
    assert.equal(busy.holds[0].leaseId, lease.id);
    await lease.release();
    await lease.release();

    await rig.bringTo('WAIT_CONFIRM_PATCH');
    const { pendingUpdate: update, progress } = await agent.getState();
    assert.ok(update);
    assert.deepEqual(progress, { receivedBytes: 1000, totalBytes: 1000 });
    assert.equal(update.manifestDigest, pack.patch.digest);
    assert.deepEqual([update.kind, update.name, update.changes], ['patch', 'carto', ['One', 'Two']]);
    const until = new Date(rig.clock.now() + 1000);
    await agent.confirm(update, { decision: 'postpone', person, until });
    assert.deepEqual((await agent.getState()).pendingUpdate?.postponedUntil, until);
    await agent.confirm(update, { decision: 'decline', person, reason: 'study' });
    const consent = await agent.confirm(update, { decision: 'confirm', person }, { shownText: 'Apply?' });
    assert.deepEqual([consent.decision, consent.shownText], ['confirm', 'Apply?']);
    assert.deepEqual(consent.person, person);
    assert.equal((await agent.getState()).state, 'APPLYING_PATCH');
  });
}

test('log lines are cut to the contract’s limits and handed over in batches', async (t) => {
  const rig = await rigFor(t);
  const agent = overSocket(rig);
  const attributes = { long: 'é'.repeat(1024) };
  const lines = Array.from({ length: 700 }, (_, index) => ({ message: `line ${index}`, component: 'carto' }));
  await agent.log(lines);
  await agent.log({ message: 'ü'.repeat(5000), component: 'carto', level: 'error', attributes });
  const kept = rig.server.log.next(1000, 10_000_000)?.entries ?? [];
  assert.equal(kept.length, 701);
  assert.equal(kept[699]?.message, 'line 699');
  assert.equal(Buffer.byteLength(kept[700]?.message ?? ''), 8192);
  assert.equal(Buffer.byteLength(kept[700]?.attributes.long ?? ''), 1024);
});

test('refusals are typed, and say whether to try again', async (t) => {
  const rig = await rigFor(t, { maxLogBytes: 100 });
  const agent = overSocket(rig);
  await agent.ready();
  const refused = await failure(agent.ready(), 'failed_precondition');
  assert.deepEqual(refused.details, { kind: 'transition_refused', state: 'READY', event: 'sdk_cmdready' });
  assert.equal(refused.retryable, false);

  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const other = { manifestDigest: 'c'.repeat(64), kind: 'patch' as const };
  const mismatch = await failure(
    agent.confirm(other, { decision: 'confirm', person }),
    'failed_precondition',
  );
  assert.deepEqual(mismatch.details, {
    kind: 'digest_mismatch',
    pendingManifestDigest: pack.patch.digest,
    givenManifestDigest: other.manifestDigest,
  });
  const pending = { manifestDigest: pack.patch.digest, kind: 'patch' as const };
  const late = { decision: 'postpone' as const, person, until: new Date(rig.clock.now() - 1) };
  const postponed = await failure(agent.confirm(pending, late), 'out_of_range');
  assert.equal(postponed.details?.kind, 'postpone_refused');

  const full = await failure(
    agent.log({ message: 'x'.repeat(200), component: 'carto' }),
    'resource_exhausted',
  );
  assert.equal(full.details?.kind, 'spool_full');
  assert.deepEqual([full.retryable, full.retryAfterMs], [true, 30_000]);

  await failure(agent.reportVersion({ product: '', version: '1' }), 'invalid_argument');
  await failure(agent.confirm({ ...pending, manifestDigest: 'nothing' }, late), 'invalid_argument');
});

test('a wrong token is no reason to try again', async (t) => {
  const rig = await rigFor(t);
  const agent = overLoopback(rig, { url: rig.url, token: 'wrong' });
  assert.equal((await failure(agent.getState(), 'unauthenticated')).retryable, false);
  await failure(agent.stateChanges().next(), 'unauthenticated');
});

test('an agent that is not there is tried again until the time is up, or until it is there', async (t) => {
  const rig = await rigFor(t);
  const agent = overSocket(rig, { random: () => 0 });
  await rig.stop();
  const late = await failure(agent.getState({ timeoutMs: 200 }), 'deadline_exceeded');
  assert.ok(late.cause instanceof AgentError);
  assert.equal(late.cause.code, 'unavailable');
  const waiting = agent.ready();
  await rig.start();
  assert.equal((await waiting).state, 'READY');
});

test('an agent that is there but does not answer is waited for no longer than allowed', async (t) => {
  const rig = await rigFor(t);
  const silent: typeof fetch = (_input, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
    });
  const clock = createManualClock();
  const agent = overSocket(rig, { fetch: silent, clock });
  const call = failure(agent.getState({ timeoutMs: 3000 }), 'deadline_exceeded');
  clock.advance(3000);
  await call;
  const over = new AbortController();
  const waiting = agent.getState({ signal: over.signal });
  const reason = new Error('the window was closed');
  over.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(agent.getState({ signal: over.signal }), reason);
});

test('answers that are lost on the way cost calls, never a second change', async (t) => {
  const rig = await rigFor(t);
  const through = unixSocketFetch(rig.socketPath);
  let calls = 0;
  const lossy: typeof fetch = async (input, init) => {
    const response = await through(input, init);
    await response.clone().arrayBuffer();
    calls += 1;
    if (calls <= 2) throw new TypeError('fetch failed');
    return response;
  };
  const agent = createAgentClient({ fetch: lossy, random: () => 0 });
  assert.equal((await agent.ready()).state, 'READY');
  assert.equal(calls, 3);
  assert.equal(rig.machine.standing().cursor.sequence, 1);
});
