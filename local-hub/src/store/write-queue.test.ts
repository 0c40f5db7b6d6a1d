import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isHubError } from '../engine/error.ts';
import type { Batch, Outcome, Writer } from './batch.ts';
import { createWriteQueue } from './write-queue.ts';

/** A writer whose commits end when the test says so. */
function heldWriter() {
  const batches: { batch: Batch; end(outcome?: Outcome): void; fail(error: Error): void }[] = [];
  const writer: Writer = {
    commit(batch) {
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      batches.push({ batch, end: resolve, fail: reject });
      return promise;
    },
    close: async () => undefined,
  };
  return { writer, batches };
}

const ids = ({ parameters }: Batch) => parameters.map(([, id]) => id);

function createQueue(maxQueuedBytes?: number) {
  const held = heldWriter();
  const failures: string[] = [];
  const queue = createWriteQueue({
    writer: held.writer,
    onFailure: (reason) => failures.push(reason),
    ...(maxQueuedBytes !== undefined && { maxQueuedBytes }),
  });
  const put = (id: string, body?: Buffer) => queue.write('putDocument', ['twin', id, '{}'], body);
  return { ...held, queue, put, failures };
}

test('what gathers while the writer is busy goes to it as one batch, in order', async () => {
  const { batches, put, queue } = createQueue();
  const written: string[] = [];
  const note = (id: string) => put(id).then(() => written.push(id));
  void note('a');
  await nextTurn();
  void note('b');
  await nextTurn();
  for (const id of ['c', 'd', 'e']) void note(id);
  await nextTurn();
  assert.deepEqual(
    batches.map(({ batch }) => ids(batch)),
    [['a'], ['b']],
  );
  assert.deepEqual(written, [], 'nothing resolves before its commit');

  batches[0]?.end();
  await nextTurn();
  assert.deepEqual(written, ['a']);
  assert.deepEqual(ids(batches[2]!.batch), ['c', 'd', 'e']);
  batches[1]?.end();
  batches[2]?.end();
  await queue.flushed();
  assert.deepEqual(written, ['a', 'b', 'c', 'd', 'e']);
});

test('bodies are packed one after the other', async () => {
  const { batches, put } = createQueue();
  const chunk = Buffer.from('..abcdef..');
  void put('a', chunk.subarray(2, 5));
  void put('b');
  void put('c', chunk.subarray(5, 8));
  await nextTurn();
  const { bodies, bodyLengths } = batches[0]!.batch;
  assert.equal(Buffer.from(bodies).toString(), 'abcdef');
  assert.deepEqual(bodyLengths, [3, -1, 3]);
});

test('a batch that is lost with its writer rejects all of its writes', async () => {
  const { batches, put, failures } = createQueue();
  const writes = [put('a'), put('b')];
  await nextTurn();
  batches[0]?.fail(new Error('the thread died'));
  for (const write of writes) {
    await assert.rejects(
      write,
      (error) => isHubError(error, 'StorageUnavailable') && /died/.test(error.message),
    );
  }
  assert.deepEqual(failures, ['the thread died']);
});

test('writes beyond what may wait are refused, and accepted again when the disk has caught up', async () => {
  const { batches, put } = createQueue(10_000);
  const first = put('a', Buffer.alloc(9_000));
  await assert.rejects(put('b', Buffer.alloc(9_000)), (error) => isHubError(error, 'StorageUnavailable'));
  await nextTurn();
  batches[0]?.end();
  await first;
  const again = put('b', Buffer.alloc(9_000));
  await nextTurn();
  batches[1]?.end();
  await again;
});

test('close waits for what is queued and refuses what comes later', async () => {
  const { batches, put, queue } = createQueue();
  const write = put('a');
  const closed = queue.close();
  await assert.rejects(put('b'), (error) => isHubError(error, 'StorageUnavailable'));
  await nextTurn();
  batches[0]?.end();
  await Promise.all([write, closed]);
});
