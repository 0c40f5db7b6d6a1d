import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { Journal } from '../machine/journal.ts';
import { createMachine } from '../machine/machine.ts';
import { initialSnapshot } from '../machine/snapshot.ts';
import { createRandom } from '../machine/testing/random.ts';
import { eventFor } from '../machine/testing/samples.ts';
import { JournalError, type JournalFault } from './journal-error.ts';
import { openJournal } from './open-journal.ts';
import { recordVersion } from './seal.ts';
import { connect } from './sqlite-journal.ts';

/** A folder for one test, and the journal's directory in it. */
function place(t: TestContext): { parent: string; directory: string; path: string } {
  const parent = mkdtempSync(join(tmpdir(), 'iotdh-journal-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, 'journal');
  return { parent, directory, path: join(directory, 'journal.db') };
}

/** Brings the journal to WAIT_CONFIRM_PATCH with a postponement, an effect owed and four changes. */
function fill(journal: Journal): void {
  const machine = createMachine({ journal, now: () => 1000 });
  for (const name of [
    'sdk_cmdready',
    'cloud_cmdupgrade',
    'transfer_complete',
    'prompt_issued',
    'sdk_postpone',
  ] as const) {
    assert.notEqual(machine.accept(eventFor(name, machine.snapshot())).kind, 'refused');
  }
}

function everythingIn(journal: Journal): unknown {
  return {
    id: journal.id,
    snapshot: journal.snapshot(),
    sequence: journal.sequence(),
    changes: journal.changesAfter(0, 100),
    effects: journal.effects(),
    decisions: journal.decisions(100),
  };
}

const faultIs = (fault: JournalFault) => (error: unknown) =>
  error instanceof JournalError && error.fault === fault;

test('a new journal has the agent BUSY, at sequence 0, owing nothing', (t) => {
  const { directory } = place(t);
  const { journal, damage } = openJournal({ directory, newId: () => 'the first' });
  t.after(() => journal.close());
  assert.equal(damage, null);
  assert.deepEqual(everythingIn(journal), {
    id: 'the first',
    snapshot: initialSnapshot,
    sequence: 0,
    changes: [],
    effects: [],
    decisions: [],
  });
});

test('what was written is there when the journal is opened again', (t) => {
  const { directory } = place(t);
  const first = openJournal({ directory }).journal;
  fill(first);
  const written = everythingIn(first);
  first.close();
  const second = openJournal({ directory }).journal;
  t.after(() => second.close());
  assert.deepEqual(everythingIn(second), written);
  assert.equal(second.snapshot().state, 'WAIT_CONFIRM_PATCH');
  assert.equal(second.decisions(10)[0]?.answer, 'postpone');
});

test('a connection writes ahead and synchronises in full', (t) => {
  const { parent } = place(t);
  const database = connect(join(parent, 'any.db'), { maxChanges: 1, maxDecisions: 1, maxBytes: 1_000_000 });
  t.after(() => database.close());
  assert.equal(database.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
  assert.equal(database.prepare('PRAGMA synchronous').get()?.synchronous, 2);
});

test('a second agent on the same journal is refused, and the first is not disturbed', (t) => {
  const { directory } = place(t);
  const { journal } = openJournal({ directory });
  t.after(() => journal.close());
  const program = `import { openJournal } from ${JSON.stringify(new URL('./open-journal.ts', import.meta.url).href)};
    try { openJournal({ directory: ${JSON.stringify(directory)} }); } catch (error) { console.log(error.fault); }`;
  const second = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.equal(second.stdout.trim(), 'in_use');
  fill(journal);
  assert.equal(journal.sequence(), 4);
});

test('a newer journal is refused and left as it is', (t) => {
  const { directory, path } = place(t);
  openJournal({ directory }).journal.close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 2');
  database.close();
  const before = readFileSync(path);
  assert.throws(() => openJournal({ directory }), faultIs('newer_version'));
  assert.deepEqual(readFileSync(path), before);
});

test('a journal with a record of a newer version is refused and left as it is', (t) => {
  const { directory, path, parent } = place(t);
  openJournal({ directory }).journal.close();
  const database = new DatabaseSync(path);
  const body = JSON.stringify({ version: recordVersion + 1, value: { from: 'the future' } });
  const statement = database.prepare('UPDATE standing SET body = ?, crc = ?');
  statement.run(body, crc32(`standing 1 ${body}`));
  database.close();
  assert.throws(() => openJournal({ directory }), faultIs('newer_version'));
  assert.deepEqual(readdirSync(parent), ['journal']);
});

test('a directory that cannot be made is an unavailable journal', (t) => {
  const { parent } = place(t);
  assert.throws(() => openJournal({ directory: join(parent, 'absent', 'journal') }), faultIs('unavailable'));
});

test('a damaged journal is set aside whole, and the new one owes the cloud a report', (t) => {
  const { directory, path, parent } = place(t);
  openJournal({ directory, newId: () => 'the first' }).journal.close();
  writeFileSync(path, 'this is no database');
  const { journal, damage } = openJournal({ directory, newId: () => 'the second' });
  t.after(() => journal.close());
  const keptAs = join(parent, 'journal.damaged-1');
  assert.equal(damage?.keptAs, keptAs);
  assert.equal(readFileSync(join(keptAs, 'journal.db'), 'utf8'), 'this is no database');
  assert.equal(journal.id, 'the second');
  assert.equal(journal.snapshot().state, 'BUSY');
  assert.deepEqual(
    journal.effects().map(({ effect }) => effect),
    [{ kind: 'report', report: { kind: 'journal_damaged', ...damage } }],
  );
});

test('a directory without its file counts as damaged: something took the state away', (t) => {
  const { directory } = place(t);
  mkdirSync(directory);
  const { journal, damage } = openJournal({ directory });
  t.after(() => journal.close());
  assert.match(damage?.reason ?? '', /missing/);
});

test('three damaged journals are kept, the newest ones', (t) => {
  const { directory, path, parent } = place(t);
  for (let i = 0; i < 5; i += 1) {
    openJournal({ directory }).journal.close();
    writeFileSync(path, `damage ${i}`);
  }
  openJournal({ directory }).journal.close();
  const kept = readdirSync(parent).filter((name) => name !== 'journal');
  assert.deepEqual(new Set(kept), new Set(['journal.damaged-3', 'journal.damaged-4', 'journal.damaged-5']));
});

test('a crash between setting a damaged journal aside and replacing it does not lose the report', (t) => {
  const { directory, path, parent } = place(t);
  openJournal({ directory }).journal.close();
  writeFileSync(path, 'this is no database');
  const { journal } = openJournal({ directory, newId: () => 'the replacement' });
  journal.close();
  // As it was before the last rename.
  renameSync(directory, `${directory}.making`);
  const again = openJournal({ directory, newId: () => 'yet another' });
  t.after(() => again.journal.close());
  assert.equal(again.journal.id, 'the replacement');
  assert.equal(again.journal.effects().length, 1);
  assert.deepEqual(new Set(readdirSync(parent)), new Set(['journal', 'journal.damaged-1']));
});

test('a journal that a crash left half made is made anew', (t) => {
  const { directory } = place(t);
  mkdirSync(`${directory}.making`);
  writeFileSync(join(`${directory}.making`, 'journal.db'), '');
  const { journal, damage } = openJournal({ directory, newId: () => 'the first' });
  t.after(() => journal.close());
  assert.equal(damage, null);
  assert.equal(journal.id, 'the first');
  assert.equal(existsSync(`${directory}.making`), false);
});

test('whatever byte of the file flips, the agent reads what was written or says that it cannot', (t) => {
  const { directory, path, parent } = place(t);
  const { journal } = openJournal({ directory });
  fill(journal);
  const written = everythingIn(journal);
  journal.close();
  const original = readFileSync(path);
  const random = createRandom(20_250);
  const seen = { intact: 0, damaged: 0, refused: 0 };
  for (let i = 0; i < 400; i += 1) {
    // Half of the flips go to the first page, which holds what SQLite believes about the file.
    const offset = random.below(i % 2 === 0 ? 512 : original.length);
    const flipped = Buffer.from(original);
    flipped[offset] = (flipped[offset] ?? 0) ^ (1 << random.below(8));
    const copy = join(parent, `copy-${i}`);
    mkdirSync(copy);
    writeFileSync(join(copy, 'journal.db'), flipped);
    try {
      const opened = openJournal({ directory: copy });
      const read = everythingIn(opened.journal);
      if (opened.damage === null) assert.deepEqual(read, written, `byte ${offset} flipped unnoticed`);
      opened.journal.close();
      seen[opened.damage === null ? 'intact' : 'damaged'] += 1;
    } catch (error) {
      assert.ok(error instanceof JournalError && error.fault === 'newer_version', `byte ${offset}: ${error}`);
      seen.refused += 1;
    }
    for (const name of readdirSync(parent)) {
      if (name.startsWith(`copy-${i}`)) rmSync(join(parent, name), { recursive: true });
    }
  }
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen.intact > 0 && seen.damaged > 0, JSON.stringify(seen));
});
