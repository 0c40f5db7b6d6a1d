import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { AmqpFrontEnd } from './amqp/front-end.ts';
import { amqpOnDemand } from './amqp-on-demand.ts';
import { type Finding, silentLog } from './diagnostics.ts';

const info = { remote: 'a test', websocket: false };

function frontEnd() {
  const accepted: unknown[] = [];
  let closed = 0;
  const real: AmqpFrontEnd = {
    accept: (stream) => void accepted.push(stream),
    async close() {
      closed += 1;
    },
    get connectionCount() {
      return accepted.length;
    },
  };
  return { real, accepted, closed: () => closed };
}

test('connections wait while the front-end is loaded, once, and those that left are forgotten', async () => {
  const { real, accepted, closed } = frontEnd();
  const loaded = Promise.withResolvers<AmqpFrontEnd>();
  let loads = 0;
  const amqp = amqpOnDemand(() => {
    loads += 1;
    return loaded.promise;
  }, silentLog);
  assert.equal(loads, 0);
  const [first, gone, second, third] = [
    new PassThrough(),
    new PassThrough(),
    new PassThrough(),
    new PassThrough(),
  ];
  for (const stream of [first, gone, second]) amqp.accept(stream, info);
  gone.destroy();
  assert.equal(amqp.connectionCount, 0);
  loaded.resolve(real);
  await loaded.promise;
  await new Promise((resolve) => setImmediate(resolve));
  amqp.accept(third, info);
  assert.deepEqual(accepted, [first, second, third]);
  assert.deepEqual([loads, amqp.connectionCount], [1, 3]);
  await amqp.close();
  assert.equal(closed(), 1);
});

test('closing a front-end that nobody used loads nothing', async () => {
  await amqpOnDemand(() => assert.fail('loaded'), silentLog).close();
});

test('when it cannot be loaded, the connection ends and the log says so', async () => {
  const findings: Finding[] = [];
  const log = { ...silentLog, warn: (finding: Finding) => void findings.push(finding) };
  const amqp = amqpOnDemand(() => Promise.reject(new Error('no rhea')), log);
  const stream = new PassThrough();
  const closed = new Promise((resolve) => stream.once('close', resolve));
  amqp.accept(stream, info);
  await closed;
  assert.match(findings[0]?.reason ?? '', /no rhea/);
  await amqp.close();
});
