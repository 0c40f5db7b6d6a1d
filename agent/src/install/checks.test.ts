import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { StepResult } from '@iotdh/proto/bus/v1';
import { CheckSchema } from '@iotdh/proto/update/v1';
import { type CheckSurroundings, runCheck, runChecks } from './checks.ts';
import type { Clock } from './clock.ts';
import { realClock } from './testing/real-clock.ts';

const check = (
  kind: MessageInitShape<typeof CheckSchema>['kind'] & {},
  more: { attempts?: number; limitMs?: number } = {},
) =>
  create(CheckSchema, {
    title: 'it works',
    kind,
    attempts: more.attempts ?? 0,
    ...(more.limitMs === undefined ? {} : { timeLimit: durationFromMs(more.limitMs) }),
  });

function surroundings(changes: Partial<CheckSurroundings> = {}): CheckSurroundings {
  return {
    subject: 'app',
    contentPath: () => '',
    sandbox: {
      refusal: () => null,
      run: () => Promise.resolve({ kind: 'exited', ok: true, exitCode: 0, output: '' }),
    },
    versionOf: () => Promise.resolve('2.0'),
    clock: realClock,
    signal: new AbortController().signal,
    ...changes,
  };
}

/** Time that passes as soon as somebody waits for it, in order. */
function hastyClock(): Clock {
  let now = 0;
  const waiting: { at: number; callback: () => void }[] = [];
  return {
    now: () => now,
    monotonicMs: () => now,
    after(ms, callback) {
      const entry = { at: now + ms, callback };
      waiting.push(entry);
      waiting.sort((a, b) => a.at - b.at);
      setImmediate(() => {
        const first = waiting.shift();
        if (first === undefined) return;
        now = Math.max(now, first.at);
        first.callback();
      });
      return () => {
        if (waiting.includes(entry)) waiting.splice(waiting.indexOf(entry), 1);
      };
    },
  };
}

const version = { case: 'installedVersion' as const, value: { product: 'Carto', version: '2.0' } };

test('checks run in order up to the first that fails', async () => {
  const wrong = { case: 'installedVersion' as const, value: { product: 'Carto', version: '3.0' } };
  const end = await runChecks([check(version), check(wrong), check(version)], surroundings());
  assert.ok(end.kind === 'failed');
  assert.equal(end.reason, '"it works" did not pass: Carto 3.0 is expected, 2.0 is there');
  assert.deepEqual(
    end.steps.map(({ result, subject }) => [subject, result]),
    [
      ['app', StepResult.OK],
      ['app', StepResult.FAILED],
    ],
  );
});

test('a check passes as soon as one of its attempts does', async () => {
  const versions = [null, '1.0', '2.0'];
  let attempts = 0;
  const versionOf = () => Promise.resolve(versions[attempts++] ?? null);
  const end = await runCheck(check(version, { attempts: 5, limitMs: 2000 }), surroundings({ versionOf }));
  assert.equal(end.kind, 'done');
  assert.equal(attempts, 3);
});

test('a check that does not settle fails when its time is over, and an agent that stops does not count it', async () => {
  const versionOf = () => new Promise<never>(() => {});
  const end = await runCheck(
    check(version, { limitMs: 5000 }),
    surroundings({ versionOf, clock: hastyClock() }),
  );
  assert.deepEqual(end, { kind: 'failed', reason: '"it works" did not pass within 5000 ms' });

  const stop = new AbortController();
  const stopped = runCheck(check(version), surroundings({ versionOf, signal: stop.signal }));
  stop.abort();
  assert.deepEqual(await stopped, { kind: 'stopped' });
});

async function listen(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

test('a local endpoint is there when something listens, and not when nothing does', async (t) => {
  const port = await listen(t);
  const endpoint = (at: number) => check({ case: 'localEndpoint', value: { port: at } });
  assert.equal((await runCheck(endpoint(port), surroundings())).kind, 'done');
  const end = await runCheck(endpoint(1), surroundings());
  assert.deepEqual(end, { kind: 'failed', reason: '"it works" did not pass: nothing listens on port 1' });
});

test('a check whose own parts break has failed', async () => {
  const versionOf = () => Promise.reject(new Error('the register is damaged'));
  const end = await runCheck(check(version), surroundings({ versionOf }));
  assert.deepEqual(end, { kind: 'failed', reason: '"it works" did not pass: the register is damaged' });
  const files = await runCheck(check({ case: 'filesMatch', value: {} }), surroundings());
  assert.equal(files.kind, 'failed', 'a check of files without files never passes');
});
