import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectError } from '@connectrpc/connect';
import { SequenceUnavailableSchema, State, type WatchStateResponse } from '@iotdh/proto/agent/v1';
import { clientOf } from './testing/clients.ts';
import { type Rig, rigFor } from './testing/rig.ts';
import { watch } from './watch.ts';

type Stream = AsyncIterator<WatchStateResponse>;

async function nextOf(stream: Stream): Promise<WatchStateResponse['kind']> {
  const { value } = await stream.next();
  return (value as WatchStateResponse).kind;
}

function streamOf(rig: Rig, request: Parameters<ReturnType<typeof clientOf>['watchState']>[0] = {}): Stream {
  return clientOf(rig).watchState(request)[Symbol.asyncIterator]();
}

async function moveTimes(rig: Rig, times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    const type = rig.machine.standing().state === 'BUSY' ? 'sdk_cmdready' : 'sdk_cmdbusy';
    await rig.runner.submit({ type });
  }
}

test('a stream shows that it is alive at once, and after each silence of the asked length', async (t) => {
  const rig = await rigFor(t);
  for (const [request, ms] of [
    [{}, 15_000],
    [{ heartbeatInterval: durationFromMs(2000) }, 2000],
  ] as const) {
    const stream = streamOf(rig, request);
    assert.equal((await nextOf(stream)).case, 'heartbeat');
    for (let count = 0; count < 3; count += 1) {
      const next = nextOf(stream);
      rig.clock.advance(ms - 1);
      rig.clock.advance(1);
      assert.equal((await next).case, 'heartbeat');
    }
    await stream.return?.();
  }
});

test('a move is a sign of life too, so the heartbeat after it comes later', async (t) => {
  const rig = await rigFor(t);
  const stream = streamOf(rig);
  await nextOf(stream);
  rig.clock.advance(14_000);
  await moveTimes(rig, 1);
  const moved = await nextOf(stream);
  assert.ok(moved.case === 'stateChanged');
  assert.deepEqual([moved.value.sequence, moved.value.to], [1n, State.READY]);
  const next = nextOf(stream);
  rig.clock.advance(14_000);
  await moveTimes(rig, 1);
  assert.equal((await next).case, 'stateChanged');
});

test('a stream begins after any move that is kept, or with the next one', async (t) => {
  const rig = await rigFor(t);
  await moveTimes(rig, 5);
  const { journal: journalId } = rig.machine.standing().cursor;
  for (const [request, expected] of [
    [{ afterSequence: 0n }, [1n, 2n, 3n, 4n, 5n]],
    [{ afterSequence: 3n, journalId }, [4n, 5n]],
    [{ afterSequence: 5n }, []],
    [{}, []],
  ] as const) {
    const stream = streamOf(rig, request);
    await nextOf(stream);
    const sequences: bigint[] = [];
    for (const _ of expected) {
      const kind = await nextOf(stream);
      assert.ok(kind.case === 'stateChanged');
      sequences.push(kind.value.sequence);
    }
    assert.deepEqual(sequences, [...expected]);
    const next = nextOf(stream);
    rig.clock.advance(15_000);
    assert.equal((await next).case, 'heartbeat');
    await stream.return?.();
  }
});

test('progress comes at most once a second, the newest, and only during a transfer', async (t) => {
  const rig = await rigFor(t);
  await clientOf(rig).setReady({});
  const stream = streamOf(rig, { afterSequence: 1n });
  await nextOf(stream);
  await rig.bringTo('INTRANSIT_PATCH');
  assert.equal((await nextOf(stream)).case, 'stateChanged');
  rig.progress({ receivedBytes: 100, totalBytes: 1000 });
  const first = await nextOf(stream);
  assert.ok(first.case === 'progress');
  assert.deepEqual([first.value.receivedBytes, first.value.totalBytes], [100n, 1000n]);
  for (const receivedBytes of [200, 300, 400]) rig.progress({ receivedBytes, totalBytes: 1000 });
  const second = nextOf(stream);
  rig.clock.advance(999);
  rig.clock.advance(1);
  const newest = await second;
  assert.ok(newest.case === 'progress');
  assert.equal(newest.value.receivedBytes, 400n);
  await moveTimes(rig, 1);
  rig.progress({ receivedBytes: 500, totalBytes: 1000 });
  rig.clock.advance(1000);
  assert.equal((await nextOf(stream)).case, 'stateChanged');
  const next = nextOf(stream);
  rig.clock.advance(15_000);
  assert.equal((await next).case, 'heartbeat');
});

test('a caller that falls behind what is kept is told so, and gets no gap', async (t) => {
  const rig = await rigFor(t, { maxChanges: 20 });
  const { machine, clock } = rig;
  const stream = watch(machine.standing().cursor, {
    ...{ machine, clock, heartbeatMs: 15_000, signal: t.signal },
    records: rig.server.records,
    view: rig.view,
  });
  await nextOf(stream);
  await moveTimes(rig, 60);
  const first = await nextOf(stream);
  assert.ok(first.case === 'stateChanged');
  assert.equal(first.value.sequence, 1n);
  await assert.rejects(stream.next(), (error: ConnectError) => {
    const [left] = error.findDetails(SequenceUnavailableSchema);
    assert.equal(error.code, Code.OutOfRange);
    assert.deepEqual([left?.oldestSequence, left?.newestSequence], [41n, 60n]);
    return true;
  });
});

test('a poll answers at once with what there is, or waits for the next move, or for its time', async (t) => {
  const rig = await rigFor(t);
  const client = clientOf(rig);
  await moveTimes(rig, 3);
  const there = await client.pollState({ afterSequence: 0n, maxChanges: 2 });
  assert.deepEqual(
    there.changes.map(({ sequence }) => sequence),
    [1n, 2n],
  );
  assert.equal(there.snapshot?.sequence, 3n);
  const none = await client.pollState({ timeout: durationFromMs(0) });
  assert.deepEqual(none.changes, []);

  const waiting = client.pollState({ afterSequence: 3n });
  await client.getState({});
  await moveTimes(rig, 1);
  assert.equal((await waiting).changes[0]?.sequence, 4n);

  const inVain = client.pollState({});
  // Until the poll has arrived, time that passes is not its own.
  while ((await Promise.race([inVain, client.getState({}).then(() => null)])) === null) {
    rig.clock.advance(25_000);
  }
  assert.deepEqual((await inVain).changes, []);
});

test('a caller that goes away leaves nothing behind', async (t) => {
  const rig = await rigFor(t);
  const over = new AbortController();
  const stream = clientOf(rig).watchState({}, { signal: over.signal })[Symbol.asyncIterator]();
  await stream.next();
  const poll = clientOf(rig).pollState({}, { signal: over.signal });
  over.abort();
  await assert.rejects(poll, (error: ConnectError) => error.code === Code.Canceled);
  await assert.rejects(stream.next(), (error: ConnectError) => error.code === Code.Canceled);
  const begun = performance.now();
  await rig.stop();
  assert.ok(performance.now() - begun < 3000);
});
