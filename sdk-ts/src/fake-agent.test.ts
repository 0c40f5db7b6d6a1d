import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgentClient } from './client.ts';
import { createFakeAgent } from './fake-agent.ts';
import type { StateChange } from './types.ts';

const person = { id: 'jd@site', name: 'Jane Doe' };

test('a host application can be led through a whole update', async () => {
  const fake = createFakeAgent();
  const agent = createAgentClient({ transport: fake.transport });
  const { position } = await agent.getState();
  await agent.ready();
  fake.offer({ title: 'Service pack 3' });
  const { pendingUpdate: update } = await agent.getState();
  assert.equal(update?.title, 'Service pack 3');
  await agent.confirm(update, { decision: 'confirm', person });
  await assert.rejects(agent.busy('exam'), { code: 'failed_precondition' });
  fake.fail();
  const base = (await agent.getState()).pendingUpdate;
  assert.equal(base?.kind, 'base');
  await agent.confirm(base, { decision: 'confirm', person });
  fake.succeed();
  assert.equal(fake.state, 'READY');

  const states: StateChange['to'][] = [];
  for await (const { to } of agent.stateChanges({ after: position })) {
    states.push(to);
    if (to === 'READY' && states.length > 1) break;
  }
  assert.deepEqual(states, [
    ...['READY', 'INTRANSIT_PATCH', 'READY_WITHPATCH', 'WAIT_CONFIRM_PATCH', 'APPLYING_PATCH'],
    ...['INTRANSIT_BASE', 'READY_WITHBASE', 'WAIT_CONFIRM_BASE', 'APPLYING_BASE', 'READY'],
  ]);
  assert.deepEqual(
    fake.heard.map(({ method }) => method),
    ['ready', 'confirm', 'confirm'],
  );
});

test('it refuses what the real agent refuses', async () => {
  const fake = createFakeAgent({ ready: true });
  const agent = createAgentClient({ transport: fake.transport });
  await assert.rejects(agent.ready(), {
    details: { kind: 'transition_refused', state: 'READY', event: 'sdk_cmdready' },
  });
  fake.offer();
  const wrong = { manifestDigest: 'c'.repeat(64), kind: 'patch' as const };
  await assert.rejects(agent.confirm(wrong, { decision: 'confirm', person }), {
    code: 'failed_precondition',
  });
});

for (const mode of ['stream', 'poll'] as const) {
  test(`by ${mode} a connection can be cut and comes back without a gap`, async () => {
    const fake = createFakeAgent({ ready: true });
    const agent = createAgentClient({ transport: fake.transport, mode, random: () => 0 });
    const { position } = await agent.getState();
    const changes = agent.stateChanges({ after: position });
    fake.offer();
    assert.equal((await changes.next()).value?.sequence, 1);
    fake.disconnect();
    const lease = agent.busy('exam');
    const rest = [changes.next(), changes.next(), changes.next()];
    fake.connect();
    assert.deepEqual(
      (await Promise.all(rest)).map(({ value }) => value?.sequence),
      [2, 3, 4],
    );
    await (await lease).release();
    assert.equal(fake.state, 'WAIT_CONFIRM_PATCH');
    await changes.return();
  });
}
