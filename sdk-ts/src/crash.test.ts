import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rigFor } from '../../agent/src/api/testing/rig.ts';
import { createRandom } from '../../agent/src/machine/testing/random.ts';
import { createAgentClient } from './client.ts';
import { unixSocketFetch } from './node.ts';
import type { StateChange } from './types.ts';

const victim = fileURLToPath(new URL('../../agent/src/api/testing/victim.ts', import.meta.url));
const rounds = 25;
const kills = 5;

/** An agent that is killed at will, and started again each time. */
async function mortalAgent(t: TestContext, directory: string) {
  let child: ChildProcess | null = null;
  async function start(): Promise<void> {
    child = spawn(process.execPath, [victim, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout!, 'data');
  }
  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    if (dying === null) return;
    const gone = once(dying, 'exit');
    dying.kill('SIGKILL');
    await gone;
  }
  t.after(kill);
  await start();
  return { start, kill };
}

test('an agent that is killed in the middle of any call carries each of them out once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'iotdh-crash-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const mortal = await mortalAgent(t, directory);
  const through = unixSocketFetch(join(directory, 'agent.sock'));
  const random = createRandom(7);
  let untilKill = 5;
  let killed = 0;

  /** Every few calls the agent dies: right after the request was sent, or before its answer arrives. */
  const deadly: typeof fetch = async (input, init) => {
    const watching = /State$/.test(String(input));
    untilKill -= watching ? 0 : 1;
    if (watching || untilKill > 0 || killed === kills) return through(input, init);
    untilKill = 3 + random.below(12);
    killed += 1;
    const answer = through(input, init).catch(() => null);
    if (random.below(2) === 0) await answer;
    await mortal.kill();
    await mortal.start();
    throw new TypeError('fetch failed');
  };
  const agent = createAgentClient({ fetch: deadly, random: () => 0, timeoutMs: 60_000 });

  const { position } = await agent.getState();
  const seen: StateChange[] = [];
  const watching = (async () => {
    for await (const change of agent.stateChanges({ after: position })) {
      seen.push(change);
      if (change.sequence === 2 * rounds + 1) return;
    }
  })();
  await agent.ready();
  for (let round = 0; round < rounds; round += 1) {
    const lease = await agent.busy({ activity: 'session', text: `round ${round}` });
    await agent.log({ message: `line ${round}`, component: 'carto' });
    await lease.release();
  }
  await watching;
  assert.equal(killed, kills);
  assert.deepEqual(
    seen.map(({ sequence, to }) => [sequence, to]),
    Array.from({ length: 2 * rounds + 1 }, (_, index) => [index + 1, index % 2 === 0 ? 'READY' : 'BUSY']),
  );
  assert.deepEqual(
    seen.filter(({ to }) => to === 'BUSY').map(({ reason }) => reason),
    Array.from({ length: rounds }, (_, round) => `round ${round}`),
  );

  await mortal.kill();
  const rig = await rigFor(t, { directory });
  assert.equal(rig.machine.standing().cursor.sequence, 2 * rounds + 1);
  assert.deepEqual(
    rig.server.log.next(1000, 1_000_000)?.entries.map(({ message }) => message),
    Array.from({ length: rounds }, (_, round) => `line ${round}`),
  );
});
