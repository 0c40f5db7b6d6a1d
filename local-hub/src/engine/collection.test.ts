import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCollection } from './collection.ts';
import { createFakeDocuments } from './fake-documents.ts';

type Note = { text: string };

test('a change is seen at once, resolves when durable, and is there after a restart', async () => {
  const store = createFakeDocuments();
  const notes = openCollection<Note>(store.documents, 'setting');
  store.hold();
  let durable = false;
  const written = notes.put('a', { text: 'one' }).then(() => {
    durable = true;
  });
  assert.deepEqual(notes.get('a'), { text: 'one' });
  assert.equal(durable, false);
  store.release();
  await written;
  const restarted = openCollection<Note>(createFakeDocuments(store.stored).documents, 'setting');
  assert.deepEqual([...restarted.entries()], [['a', { text: 'one' }]]);
  await restarted.remove('a');
  assert.equal(restarted.size, 0);
  assert.equal(restarted.has('a'), false);
});

test('a change that could not be written is taken back', async () => {
  const store = createFakeDocuments();
  const notes = openCollection<Note>(store.documents, 'setting');
  await notes.put('a', { text: 'one' });
  store.fail();
  await assert.rejects(notes.put('a', { text: 'two' }), { code: 'StorageUnavailable' });
  assert.deepEqual(notes.get('a'), { text: 'one' });
  store.fail();
  await assert.rejects(notes.remove('a'), { code: 'StorageUnavailable' });
  assert.deepEqual(notes.get('a'), { text: 'one' });
});

test('when several changes of one document fail together, what was durable before them comes back', async () => {
  const store = createFakeDocuments();
  const notes = openCollection<Note>(store.documents, 'setting');
  await notes.put('a', { text: 'durable' });
  store.hold();
  const writes = [
    notes.put('a', { text: 'two' }),
    notes.put('a', { text: 'three' }),
    notes.put('b', { text: 'x' }),
  ];
  store.fail();
  const outcomes = await Promise.allSettled(writes);
  assert.ok(outcomes.every((each) => each.status === 'rejected'));
  assert.deepEqual(notes.get('a'), { text: 'durable' });
  assert.equal(notes.get('b'), undefined);
});

test('a failed change does not undo a later one that succeeded', async () => {
  const store = createFakeDocuments();
  const notes = openCollection<Note>(store.documents, 'setting');
  store.hold();
  const first = notes.put('a', { text: 'one' });
  store.fail();
  const second = notes.put('a', { text: 'two' });
  await assert.rejects(first);
  await second;
  assert.deepEqual(notes.get('a'), { text: 'two' });
});
