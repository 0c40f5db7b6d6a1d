import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createAcknowledgements } from './acknowledgements.ts';

function open() {
  const sent: number[][] = [];
  let settled = 0;
  const acknowledgements = createAcknowledgements({
    send(pubacks) {
      assert.equal(pubacks.length % 4, 0);
      const ids: number[] = [];
      for (let at = 0; at < pubacks.length; at += 4) {
        assert.equal(pubacks.readUInt16BE(at), 0x4002);
        ids.push(pubacks.readUInt16BE(at + 2));
      }
      sent.push(ids);
    },
    onSettled() {
      settled += 1;
    },
  });
  return { acknowledgements, sent, settledCount: () => settled };
}

test('acknowledgements leave in the order of the messages, whatever is durable first', async () => {
  const { acknowledgements, sent } = open();
  const [first, second, third] = [1, 2, 65_535].map((id) => acknowledgements.owe(id, 10));
  assert.ok(first && second && third);
  acknowledgements.settle(third);
  acknowledgements.settle(second);
  await nextTurn();
  assert.deepEqual(sent, []);
  assert.equal(acknowledgements.bytes, 30);
  acknowledgements.settle(first);
  await nextTurn();
  assert.deepEqual(sent, [[1, 2, 65_535]]);
  assert.equal(acknowledgements.bytes, 0);
  assert.equal(acknowledgements.count, 0);
});

test('what becomes durable together is acknowledged in one write', async () => {
  const { acknowledgements, sent, settledCount } = open();
  const owed = Array.from({ length: 100 }, (_, index) => acknowledgements.owe(index + 1, 1));
  for (const each of owed) acknowledgements.settle(each);
  await nextTurn();
  assert.equal(sent.length, 1);
  assert.equal(sent[0]?.length, 100);
  assert.equal(settledCount(), 1);
});

test('messages of QoS 0 and silently settled ones keep their place and are not acknowledged', async () => {
  const { acknowledgements, sent } = open();
  const [first, qos0, lost, last] = [1, 0, 3, 4].map((id) => acknowledgements.owe(id, 1));
  assert.ok(first && qos0 && lost && last);
  acknowledgements.settle(last);
  acknowledgements.settle(lost, true);
  acknowledgements.settle(first);
  await nextTurn();
  assert.deepEqual(sent, [[1]]);
  acknowledgements.settle(qos0);
  await nextTurn();
  assert.deepEqual(sent, [[1], [4]]);
});
