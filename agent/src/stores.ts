/** Opens everything that the agent keeps on disk. The journal comes first: it refuses a second agent in the same folder. */
import { join } from 'node:path';
import { type LogStore, openLogStore } from './api/store/open-log-store.ts';
import { type HostStore, openStore } from './api/store/open-store.ts';
import { claimFolder } from './durable/claim-folder.ts';
import { openJournal } from './journal/open-journal.ts';
import type { Journal } from './machine/journal.ts';
import { openOutbox } from './outbox/open-outbox.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Clock } from './transfer/clock.ts';
import { openUpdates, type UpdateStore } from './updates/update-store.ts';

export type Stores = {
  journal: Journal;
  host: HostStore;
  logStore: LogStore;
  outbox: Outbox;
  updates: UpdateStore;
  /** What was damaged and has begun anew, for the log. */
  damaged: readonly string[];
  close(): Promise<void>;
};

/** Throws when the folder is in use, of a newer agent, open to other users, or cannot be written. */
export function openStores(dataDir: string, clock: Clock): Stores {
  claimFolder(dataDir);
  const damaged: string[] = [];
  const { journal, database } = openJournal({ directory: join(dataDir, 'journal'), after: clock.after });
  const logPath = join(dataDir, 'host.db');
  const host = openStore({ journal, database }, logPath);
  const { logStore, setAside } = openLogStore({ path: logPath });
  const { outbox, damaged: outboxDamaged } = openOutbox({ path: join(dataDir, 'outbox.db'), clock });
  const updates = openUpdates(join(dataDir, 'updates'), (path) => damaged.push(path));
  if (setAside !== null) damaged.push(setAside);
  if (outboxDamaged) damaged.push('outbox.db');
  return {
    ...{ journal, host, logStore, outbox, updates, damaged },
    async close() {
      await outbox.close();
      logStore.close();
      journal.close();
    },
  };
}
