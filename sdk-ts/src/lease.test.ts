import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { rigFor } from '../../agent/src/api/testing/rig.ts';
import { AgentError } from './agent-error.ts';
import { createAgentClient } from './client.ts';
import { unixSocketFetch } from './node.ts';
import { createManualClock } from './testing/manual-clock.ts';

/** A client whose calls are counted, and the moment of each answer to SetBusy. */
async function leasing(t: Parameters<typeof rigFor>[0]) {
  const rig = await rigFor(t);
  const clock = createManualClock();
  const answered = new EventTarget();
  const through = unixSocketFetch(rig.socketPath);
  const watched: typeof fetch = async (input, init) => {
    const response = await through(input, init);
    const name = String(input).split('/').at(-1) ?? '';
    response
      .clone()
      .arrayBuffer()
      .then(() => answered.dispatchEvent(new Event(name)))
      .catch(() => undefined);
    return response;
  };
  const agent = createAgentClient({ fetch: watched, clock, random: () => 0 });
  await agent.ready();
  /** Lets a third of a lease of 36 s pass, on both sides. */
  async function third(): Promise<void> {
    await clock.waitedFor(12_000);
    const renewed = once(answered, 'SetBusy');
    rig.clock.advance(12_000);
    clock.advance(12_000);
    await renewed;
  }
  return { rig, clock, agent, third, answered };
}

test('a lease renews itself for as long as it is held, and not a moment longer', async (t) => {
  const { rig, agent, third } = await leasing(t);
  {
    await using lease = await agent.busy('exam', { leaseMs: 36_000 });
    for (let count = 0; count < 9; count += 1) await third();
    const { state, holds } = await agent.getState();
    assert.deepEqual([state, holds.length, holds[0]?.leaseId], ['BUSY', 1, lease.id]);
    assert.equal(rig.machine.standing().cursor.sequence, 2);
  }
  assert.equal((await agent.getState()).state, 'READY');
});

test('a host application that dies leaves BUSY behind for the rest of its lease only', async (t) => {
  const { rig, agent, third } = await leasing(t);
  const other = createAgentClient({ fetch: unixSocketFetch(rig.socketPath) });
  await agent.busy('exam', { leaseMs: 36_000 });
  await third();
  rig.clock.advance(35_999);
  assert.equal((await other.getState()).state, 'BUSY');
  rig.clock.advance(1);
  await rig.reached('READY');
});

test('a lease that ran out while its process was suspended is taken anew', async (t) => {
  const { rig, clock, agent, answered } = await leasing(t);
  const lease = await agent.busy('exam', { leaseMs: 36_000 });
  const before = lease.id;
  await clock.waitedFor(12_000);
  rig.clock.advance(60_000);
  await rig.reached('READY');
  const refused = once(answered, 'SetBusy');
  clock.advance(60_000);
  await refused;
  await rig.reached('BUSY');
  await once(answered, 'SetBusy');
  await clock.waitedFor(12_000);
  assert.notEqual(lease.id, before);
  assert.equal(lease.signal.aborted, false);
  await lease.release();
  assert.equal((await agent.getState()).state, 'READY');
});

test('a lease that cannot be taken anew says so', async (t) => {
  const { rig, clock, agent } = await leasing(t);
  const lease = await agent.busy('exam', { leaseMs: 36_000 });
  await clock.waitedFor(12_000);
  rig.clock.advance(60_000);
  await rig.reached('READY');
  await rig.bringTo('APPLYING_PATCH');
  const lost = once(lease.signal, 'abort');
  clock.advance(12_000);
  await lost;
  assert.ok(lease.signal.reason instanceof AgentError);
  assert.equal(lease.signal.reason.details?.kind, 'transition_refused');
  await lease.release();
});

test('ready ends leases for good: none comes back by a renewal', async (t) => {
  const { rig, clock, agent } = await leasing(t);
  const lease = await agent.busy('exam', { leaseMs: 36_000 });
  assert.equal((await agent.ready()).state, 'READY');
  clock.advance(60_000);
  await lease.release();
  assert.equal(rig.machine.standing().cursor.sequence, 3);
  assert.equal((await agent.getState()).state, 'READY');
});

test('two applications hold the machine, and it is ready when both are', async (t) => {
  const { rig, agent } = await leasing(t);
  const other = createAgentClient({ fetch: unixSocketFetch(rig.socketPath) });
  const mapping = await agent.busy('mapping', { leaseMs: 36_000 });
  const robot = await other.busy({ activity: 'service' });
  await mapping.release();
  const { state, holds } = await agent.getState();
  assert.deepEqual([state, holds[0]?.reason.activity], ['BUSY', 'service']);
  await robot.release();
  assert.equal((await agent.getState()).state, 'READY');
});

test('disposing of a lease does not fail because the agent is away: it ends by itself', async (t) => {
  const { rig, agent } = await leasing(t);
  const impatient = createAgentClient({ fetch: unixSocketFetch(rig.socketPath), timeoutMs: 100 });
  await agent.getState();
  const lease = await impatient.busy('exam', { leaseMs: 36_000 });
  const second = await impatient.busy('exam', { leaseMs: 36_000 });
  await rig.stop();
  await lease[Symbol.asyncDispose]();
  await assert.rejects(second.release(), { code: 'deadline_exceeded' });
  await rig.start();
  rig.clock.advance(36_000);
  await rig.reached('READY');
});
