/** A real journal in a folder of its own, for one test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type OpenJournalOptions, openJournal } from '../../journal/open-journal.ts';
import type { Journal } from '../journal.ts';

export type TestJournal = {
  journal: Journal;
  directory: string;
  /** Has something done at the end of the test, before the journal is closed. */
  beforeClose(action: () => Promise<void>): void;
};

/** A journal that is closed and removed after the test. */
export function journalFor(t: TestContext, options: Partial<OpenJournalOptions> = {}): TestJournal {
  const parent = mkdtempSync(join(tmpdir(), 'iotdh-journal-'));
  const directory = join(parent, 'journal');
  const { journal } = openJournal({ directory, newId: () => 'the-journal', ...options });
  const actions: (() => Promise<void>)[] = [];
  t.after(async () => {
    await Promise.allSettled(actions.map((action) => action()));
    journal.close();
    rmSync(parent, { recursive: true, force: true });
  });
  return { journal, directory, beforeClose: (action) => void actions.push(action) };
}
