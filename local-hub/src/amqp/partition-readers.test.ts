import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AmqpRefusal } from './errors.ts';
import { createPartitionReaders } from './partition-readers.ts';

function reader(name: string, epoch?: number | bigint) {
  const closed: string[] = [];
  return {
    name,
    epoch,
    closed,
    close: ({ condition }: { condition: string }) => void closed.push(condition),
  };
}

const refused = (condition: string) => (error: unknown) => (error as AmqpRefusal).condition === condition;

test('an equal or higher epoch takes the partition over, a lower one is refused', () => {
  const readers = createPartitionReaders(5);
  const first = reader('first', 1);
  const second = reader('second', 1);
  readers.enter('$Default', '0', first);
  readers.enter('$default', '0', second);
  assert.deepEqual(first.closed, ['amqp:link:stolen']);
  assert.throws(() => readers.enter('$default', '0', reader('third', 0)), refused('amqp:link:stolen'));
  readers.enter('$default', '0', reader('fourth', 2n ** 62n));
  assert.deepEqual(second.closed, ['amqp:link:stolen']);
});

test('a reader without epoch is kept out by one with epoch, and put out by it', () => {
  const readers = createPartitionReaders(5);
  const shared = reader('shared');
  readers.enter('$default', '0', shared);
  const leave = readers.enter('$default', '0', reader('owner', 0));
  assert.deepEqual(shared.closed, ['amqp:link:stolen']);
  assert.throws(() => readers.enter('$default', '0', reader('late')), refused('amqp:link:stolen'));
  leave();
  readers.enter('$default', '0', reader('late'));
});

test('at most five readers without epoch share a partition and consumer group', () => {
  const readers = createPartitionReaders(5);
  const leaves = Array.from({ length: 5 }, (_, index) => readers.enter('g', '0', reader(`${index}`)));
  assert.throws(() => readers.enter('g', '0', reader('6')), refused('amqp:resource-limit-exceeded'));
  readers.enter('g', '1', reader('other partition'));
  readers.enter('h', '0', reader('other group'));
  leaves[0]?.();
  readers.enter('g', '0', reader('6'));
});

test('a reader that was displaced and leaves later does not open the partition to others', () => {
  const readers = createPartitionReaders(5);
  const leave = readers.enter('g', '0', reader('old', 0));
  readers.enter('g', '0', reader('new', 0));
  leave();
  assert.throws(() => readers.enter('g', '0', reader('shared')), refused('amqp:link:stolen'));
});
