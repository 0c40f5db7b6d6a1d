import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Rig, rigFor, token } from '../../agent/src/api/testing/rig.ts';
import type { AgentError } from './agent-error.ts';
import type { Connection } from './changes.ts';
import { type AgentClientOptions, createAgentClient } from './client.ts';
import { unixSocketFetch } from './node.ts';
import { createManualClock } from './testing/manual-clock.ts';
import type { Position, StateChange } from './types.ts';

const options = (rig: Rig, way: string): AgentClientOptions =>
  way === 'loopback'
    ? { url: rig.url, token, random: () => 0 }
    : { fetch: unixSocketFetch(rig.socketPath), random: () => 0 };

/** Moves the agent this often, between BUSY and READY, without its server. */
async function moveTimes(rig: Rig, times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    const type = rig.machine.standing().state === 'BUSY' ? 'sdk_cmdready' : 'sdk_cmdbusy';
    await rig.runner.submit({ type });
  }
}

async function take(changes: AsyncGenerator<StateChange>, count: number): Promise<StateChange[]> {
  const taken: StateChange[] = [];
  while (taken.length < count) {
    const { done, value } = await changes.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

const sequences = (changes: readonly StateChange[]) => changes.map(({ sequence }) => sequence);
const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

for (const mode of ['stream', 'poll'] as const) {
  for (const way of ['loopback', 'the Unix socket']) {
    test(`by ${mode} over ${way}, hundreds of changes over three restarts come once each and in order`, async (t) => {
      const rig = await rigFor(t);
      const agent = createAgentClient({ ...options(rig, way), mode });
      const { position } = await agent.getState();
      const changes = agent.stateChanges({ after: position });
      const all = take(changes, 200);
      for (let restart = 0; restart < 3; restart += 1) {
        await moveTimes(rig, 50);
        await rig.stop();
        await rig.start();
      }
      await moveTimes(rig, 50);
      assert.deepEqual(sequences(await all), upTo(200));
      await changes.return();
    });
  }
}

test('a reader goes on after the last position that it kept, and by default with the next change', async (t) => {
  const rig = await rigFor(t);
  const agent = createAgentClient(options(rig, 'the Unix socket'));
  const { position } = await agent.getState();
  await moveTimes(rig, 10);
  let kept: Position = position;
  for await (const change of agent.stateChanges({ after: position })) {
    kept = change.position;
    if (change.sequence === 4) break;
  }
  const rest = await take(agent.stateChanges({ after: kept }), 6);
  assert.deepEqual(sequences(rest), upTo(10, 5));
  const { from, to, event, time, reason } = rest[5]!;
  assert.deepEqual([from, to, event, reason], ['READY', 'BUSY', 'sdk_cmdbusy', '']);
  assert.equal(time.getTime(), rig.clock.now());

  let connected = () => {};
  const streaming = new Promise<void>((resolve) => {
    connected = resolve;
  });
  const other = createAgentClient({ ...options(rig, 'the Unix socket'), onConnection: () => connected() });
  const next = other.stateChanges().next();
  await streaming;
  await moveTimes(rig, 1);
  assert.equal((await next).value?.sequence, 11);
});

test('a slow reader misses nothing and holds up nobody', async (t) => {
  const rig = await rigFor(t);
  const agent = createAgentClient(options(rig, 'the Unix socket'));
  const { position } = await agent.getState();
  const slow = agent.stateChanges({ after: position });
  await moveTimes(rig, 1);
  await take(slow, 1);
  const quick = take(agent.stateChanges({ after: position }), 200);
  await moveTimes(rig, 199);
  assert.deepEqual(sequences(await quick), upTo(200));
  assert.deepEqual(sequences(await take(slow, 199)), upTo(200, 2));
});

test('where the history does not reach back, or is another one, the reader is told and not given a gap', async (t) => {
  const rig = await rigFor(t, { maxChanges: 5 });
  const agent = createAgentClient(options(rig, 'the Unix socket'));
  const { position } = await agent.getState();
  await moveTimes(rig, 10);
  const foreign = '1.00000000-0000-4000-8000-00000000000f.3';
  for (const after of [position, foreign]) {
    await assert.rejects(agent.stateChanges({ after }).next(), (error: AgentError) => {
      assert.deepEqual([error.code, error.retryable], ['out_of_range', false]);
      assert.equal(error.details?.kind, 'sequence_unavailable');
      return true;
    });
  }
  const invalid = agent.stateChanges({ after: 'elsewhere' }).next();
  await assert.rejects(invalid, { code: 'invalid_argument' });
});

test('where streams do not get through, changes come by polling, and a stream is tried again later', async (t) => {
  const rig = await rigFor(t);
  const through = unixSocketFetch(rig.socketPath);
  const clock = createManualClock();
  const net: { blocked: boolean } = { blocked: true };
  // A proxy that holds back what has no end.
  const proxy: typeof fetch = async (input, init) => {
    if (!net.blocked || !String(input).endsWith('/WatchState')) return through(input, init);
    const body = new ReadableStream({
      start(controller) {
        init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason));
      },
    });
    return new Response(body, { headers: { 'content-type': 'application/connect+proto' } });
  };
  const seen: Connection[] = [];
  const agent = createAgentClient({
    ...{ fetch: proxy, clock, random: () => 0 },
    onConnection: (connection) => seen.push(connection),
  });
  const { position } = await agent.getState();
  const changes = agent.stateChanges({ after: position });
  const first = take(changes, 2);
  await clock.waitedFor(5000);
  clock.advance(5000);
  await clock.waitedFor(50);
  clock.advance(50);
  await clock.waitedFor(5000);
  clock.advance(5000);
  await moveTimes(rig, 2);
  assert.deepEqual(sequences(await first), [1, 2]);
  assert.deepEqual(seen, ['disconnected', 'polling']);

  net.blocked = false;
  clock.advance(5 * 60_000);
  const more = take(changes, 2);
  await moveTimes(rig, 2);
  assert.deepEqual(sequences(await more), [3, 4]);
  await changes.return();
  const last = createAgentClient({ fetch: proxy, onConnection: (connection) => seen.push(connection) });
  await take(last.stateChanges({ after: position }), 4);
  assert.equal(seen.at(-1), 'streaming');
});

test('a stream that falls silent is opened again', async (t) => {
  const rig = await rigFor(t);
  const through = unixSocketFetch(rig.socketPath);
  const clock = createManualClock();
  let streams = 0;
  const deaf: typeof fetch = async (input, init) => {
    const response = await through(input, init);
    if (!String(input).endsWith('/WatchState')) return response;
    streams += 1;
    if (streams > 1) return response;
    // After the first heartbeat nothing gets through any more, and nobody says so.
    const reader = response.body!.getReader();
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue((await reader.read()).value);
        init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason));
      },
    });
    return new Response(body, { headers: response.headers });
  };
  const agent = createAgentClient({ fetch: deaf, clock, random: () => 0, heartbeatMs: 15_000 });
  const { position } = await agent.getState();
  const changes = agent.stateChanges({ after: position });
  const next = changes.next();
  await clock.waitedFor(30_000);
  await moveTimes(rig, 1);
  clock.advance(30_000);
  await clock.waitedFor(50);
  clock.advance(50);
  assert.equal((await next).value?.sequence, 1);
  assert.equal(streams, 2);
  await changes.return();
});

test('the reader’s signal ends the wait with its reason, and its patience with an error', async (t) => {
  const rig = await rigFor(t);
  const over = new AbortController();
  const agent = createAgentClient({
    ...options(rig, 'the Unix socket'),
    onConnection: () => over.abort(reason),
  });
  const reason = new Error('the window was closed');
  await assert.rejects(agent.stateChanges({ signal: over.signal }).next(), reason);

  const { position } = await agent.getState();
  await rig.stop();
  const impatient = agent.stateChanges({ after: position, timeoutMs: 100 });
  await assert.rejects(impatient.next(), { code: 'unavailable' });
});

test('progress comes between changes, and the record of a change keeps how far it was then', async (t) => {
  const rig = await rigFor(t);
  const agent = createAgentClient(options(rig, 'the Unix socket'));
  const { position } = await agent.ready();
  await rig.bringTo('INTRANSIT_PATCH');
  rig.progress({ receivedBytes: 0, totalBytes: 1000 });
  const progressed = new EventTarget();
  const changes = agent.stateChanges({
    after: position,
    onProgress: ({ receivedBytes }) => progressed.dispatchEvent(new Event(String(receivedBytes))),
  });
  const [first] = await take(changes, 1);
  const told = once(progressed, '400');
  const next = changes.next();
  rig.progress({ receivedBytes: 400, totalBytes: 1000 });
  await told;
  const busy = await agent.busy({ activity: 'procedure' });
  const interrupted = (await next).value as StateChange;
  assert.deepEqual([interrupted.to, interrupted.reason], ['BUSY', 'procedure']);
  assert.deepEqual(interrupted.progress, { receivedBytes: 400, totalBytes: 1000 });
  await busy.release();
  await changes.return();

  rig.progress({ receivedBytes: 700, totalBytes: 1000 });
  await rig.stop();
  await rig.start();
  const replayed = await take(agent.stateChanges({ after: position }), 2);
  assert.deepEqual(replayed, [first, interrupted]);
});
