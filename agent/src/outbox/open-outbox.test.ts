import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openOutbox } from './open-outbox.ts';
import type { Outbox } from './outbox.ts';
import { createStillClock, logs, read, request, telemetry } from './testing.ts';

type Limits = { maxBytes?: number; maxFileBytes?: number };

function bench(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-outbox-'));
  const path = join(folder, 'outbox.db');
  const clock = createStillClock();
  const opened: Outbox[] = [];
  t.after(async () => {
    for (const outbox of opened) await outbox.close();
    rmSync(folder, { recursive: true });
  });
  return {
    path,
    clock,
    open(limits: Limits = {}) {
      const { outbox, damaged } = openOutbox({ path, clock, ...limits });
      opened.push(outbox);
      return Object.assign(outbox, { damaged });
    },
  };
}

const kindsOf = (outbox: Outbox, count = 100) => outbox.take(count).map(({ kind }) => kind);

test('a message is numbered from 1, names itself the same inside and outside, and is given once', async (t) => {
  const outbox = bench(t).open();
  const first = await outbox.put(request());
  const second = await outbox.put(request(), { traceParent: '00-aa-bb-00' });
  assert.ok(first.kind === 'kept' && second.kind === 'kept');
  assert.deepEqual([first.sequence, second.sequence], [1, 2]);
  const messages = outbox.take(10);
  assert.deepEqual(
    messages.map((message) => [read(message).sequence, read(message).messageId, read(message).journalId]),
    [
      [1n, first.messageId, outbox.journalId],
      [2n, second.messageId, outbox.journalId],
    ],
  );
  assert.equal(read(messages[1]!).traceParent, '00-aa-bb-00');
  assert.deepEqual(outbox.take(10), []);
});

test('a message leaves only when it was acknowledged; until then it comes again with the same id and bytes', async (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  await outbox.put(request());
  await outbox.put(request());
  const [first, second] = outbox.take(2);
  outbox.unsent(second!.sequence);
  assert.deepEqual(outbox.take(2), [second]);
  outbox.sent(first!.sequence);
  clock.fire();
  await outbox.close();
  const again = open();
  assert.equal(again.count, 1);
  assert.deepEqual(again.take(2), [second]);
  again.unsent();
  assert.deepEqual(again.take(2), [second]);
});

test('the sequence goes on after a restart, without a gap after a clean end', async (t) => {
  const { open } = bench(t);
  const outbox = open();
  await outbox.put(request());
  await outbox.close();
  const again = open();
  assert.equal(again.journalId, outbox.journalId);
  assert.deepEqual(
    (await again.put(request())).kind === 'kept' && again.take(9).map((m) => m.sequence),
    [1, 2],
  );
});

test('states and results go before measurements and logs, each class in its own order', async (t) => {
  const outbox = bench(t).open();
  await Promise.all(
    [telemetry(1), request(), logs(1), request(), logs(1, { last: true })].map((p) => outbox.put(p)),
  );
  assert.deepEqual(
    outbox.take(9).map(({ sequence }) => sequence),
    [2, 4, 5, 1, 3],
  );
});

test('when there is no room the oldest measurements and logs go, and the next of their kind says how many', async (t) => {
  const outbox = bench(t).open({ maxBytes: 6_000 });
  for (let n = 0; n < 4; n += 1) await outbox.put(telemetry(10, 1_000));
  await outbox.put(logs(5));
  for (let n = 0; n < 4; n += 1) await outbox.put(telemetry(10, 1_000));
  assert.ok(outbox.bytes <= 6_000);
  const messages = outbox.take(99).map(read);
  const told = messages.map(({ payload }) =>
    payload.case === 'telemetry' || payload.case === 'logBatch' ? Number(payload.value.dropped) : 0,
  );
  const here = messages.reduce(
    (sum, { payload }) => sum + (payload.case === 'telemetry' ? payload.value.measurements.length : 0),
    0,
  );
  const lost = told.reduce((sum, count) => sum + count, 0) + outbox.losses.measurements;
  assert.equal(here + lost, 80, 'every measurement is here or told of');
  assert.ok(lost > 0);
});

test('a state or a result is never dropped: when only those are left, the outbox says that it is full', async (t) => {
  const outbox = bench(t).open({ maxBytes: 3_000 });
  await outbox.put(telemetry(10, 1_000));
  let kept = 0;
  for (;;) {
    const outcome = await outbox.put(request());
    if (outcome.kind !== 'kept') {
      assert.equal(outcome.kind, 'full');
      break;
    }
    kept += 1;
  }
  assert.ok(kept > 10);
  assert.deepEqual(await outbox.put(telemetry(3)), { kind: 'dropped' });
  assert.deepEqual(outbox.losses, { logLines: 0, measurements: 13 });
  const [first] = outbox.take(kept + 1);
  assert.equal(kindsOf(outbox).length, 0);
  outbox.sent(first!.sequence);
  assert.equal((await outbox.put(request())).kind, 'kept');
});

test('what is on its way is not dropped, and the last batch of a collection never is', async (t) => {
  const outbox = bench(t).open({ maxBytes: 2_500 });
  await outbox.put(logs(8, { last: true }));
  await outbox.put(telemetry(10, 1_000));
  assert.equal(outbox.take(2).length, 2);
  assert.deepEqual(await outbox.put(telemetry(10, 1_000)), { kind: 'dropped' });
  outbox.unsent();
  assert.deepEqual(kindsOf(outbox), ['logBatch', 'telemetry']);
});

test('losses survive a restart', async (t) => {
  const { open } = bench(t);
  const outbox = open({ maxBytes: 500 });
  await outbox.put(telemetry(10, 1_000));
  await outbox.close();
  const again = open();
  assert.deepEqual(again.losses, { logLines: 0, measurements: 10 });
  await again.put(telemetry(1));
  const [message] = again.take(1);
  const { payload } = read(message!);
  assert.ok(payload.case === 'telemetry');
  assert.equal(payload.value.dropped, 10n);
  assert.deepEqual(again.losses, { logLines: 0, measurements: 0 });
});

test('a full disk is an answer that changes nothing, and there is room again after something was sent', async (t) => {
  const outbox = bench(t).open({ maxFileBytes: 40_960 });
  let kept = 0;
  for (;;) {
    const outcome = await outbox.put(logs(40, { last: true }));
    if (outcome.kind === 'disk_full') break;
    assert.equal(outcome.kind, 'kept');
    kept += 1;
  }
  const { count, bytes } = outbox;
  assert.equal(count, kept);
  assert.equal((await outbox.put(logs(40, { last: true }))).kind, 'disk_full');
  assert.deepEqual([outbox.count, outbox.bytes], [count, bytes]);
  for (const { sequence } of outbox.take(2)) outbox.sent(sequence);
  const next = await outbox.put(logs(40, { last: true }));
  assert.ok(next.kind === 'kept');
  assert.equal(next.sequence, kept + 1, 'a refused message uses up no number');
});

test('puts of one turn share one write, and one that cannot be encoded fails alone', async (t) => {
  const { open, path } = bench(t);
  const outbox = open();
  let writes = 0;
  outbox.onKept(() => {
    writes += 1;
  });
  const bad = { ...telemetry(1), value: { ...telemetry(1).value, dropped: -1n } } as ReturnType<
    typeof telemetry
  >;
  const outcomes = await Promise.allSettled([request(), bad, request(), request()].map((p) => outbox.put(p)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(writes, 1);
  await outbox.close();
  assert.equal(new DatabaseSync(path).prepare('SELECT count(*) AS n FROM message').get()?.n, 3);
});

test('a message that the contract forbids for its size is refused, whatever the room', async (t) => {
  const outbox = bench(t).open();
  const outcome = await outbox.put(telemetry(500, 300_000));
  assert.equal(outcome.kind, 'too_large');
  assert.equal(outbox.stamp(telemetry(500, 300_000)).kind, 'too_large');
});

test('a message that is only stamped takes a number of its own and is not kept', async (t) => {
  const { open } = bench(t);
  const outbox = open();
  const stamped = outbox.stamp(request());
  assert.ok(stamped.kind === 'stamped');
  assert.equal(read(stamped.message).sequence, 1n);
  assert.ok((await outbox.put(request())).kind === 'kept');
  for (let n = 0; n < 200; n += 1) outbox.stamp(request());
  await outbox.close();
  const again = open();
  assert.equal(again.count, 1);
  const next = again.stamp(request());
  assert.ok(next.kind === 'stamped');
  assert.equal(next.message.sequence, 203);
});

test('a damaged outbox is set aside and a new one has another journal id', async (t) => {
  const { open, path } = bench(t);
  const outbox = open();
  await outbox.close();
  writeFileSync(path, 'this is no database, and long enough to be looked at as if it were one'.repeat(20));
  const again = open();
  assert.equal(again.damaged, true);
  assert.notEqual(again.journalId, outbox.journalId);
  assert.equal((await again.put(request())).kind, 'kept');
});

test('an outbox of a newer agent is left as it is', async (t) => {
  const { open, path } = bench(t);
  await open().close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  assert.throws(() => open(), /newer agent/);
});
