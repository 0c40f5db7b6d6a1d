import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { beginJournal, type Entry, openJournal } from './journal.ts';
import { temporaryFolder } from './testing/bench.ts';

const first: Entry = { kind: 'began', version: 1, id: 'job', components: ['app'], places: {} };
const begun = (step: string): Entry => ({ kind: 'step_began', step, time: 1 });

test('a journal holds what was appended, takes no more room, and goes on after a torn record', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'journal');
  const journal = await beginJournal(folder, first, 2);
  const { size } = statSync(path);
  journal.append(begun('a'));
  journal.append({ kind: 'undo', reason: 'äöü' });
  journal.close();
  assert.equal(statSync(path).size, size);

  // Every way of tearing the last record leaves the ones before it.
  const whole = readFileSync(path);
  const lastRecord = whole.indexOf('\n', whole.indexOf('\n') + 1) + 1;
  const end = whole.indexOf('\n', lastRecord) + 1;
  for (let torn = lastRecord; torn < end; torn += 1) {
    const bytes = Buffer.from(whole);
    bytes.fill(0, torn, end);
    writeFileSync(path, bytes);
    const opened = openJournal(folder);
    assert.deepEqual(opened.entries, [first, begun('a')], `torn at ${torn}`);
    opened.close();
  }
  const again = openJournal(folder);
  again.append({ kind: 'commit' });
  again.close();
  const opened = openJournal(folder);
  assert.deepEqual(opened.entries, [first, begun('a'), { kind: 'commit' }]);
  opened.close();
});

test('a journal that is damaged in the middle is not taken for a shorter one', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'journal');
  const journal = await beginJournal(folder, first, 2);
  journal.append(begun('a'));
  journal.append({ kind: 'commit' });
  journal.close();
  const bytes = readFileSync(path);
  const middle = bytes.indexOf('step_began');
  bytes[middle] = 0x21;
  writeFileSync(path, bytes);
  assert.throws(() => openJournal(folder), /record 1 cannot be read, and later ones can/);
});
