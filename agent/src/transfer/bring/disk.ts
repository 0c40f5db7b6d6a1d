/** Where a run of a transfer keeps what it has brought, and where it looks for what need not be brought. */
import type { ContentStore } from '../content-store.ts';
import type { Notes } from '../notes.ts';
import type { Findings } from '../plan/findings.ts';
import type { LocalFile, LocalView } from '../plan/local-files.ts';
import type { SegmentJournal } from '../segment-journal.ts';

export type Disk = {
  folder: string;
  store: ContentStore;
  journal: SegmentJournal;
  notes: Notes;
  /** Null: nothing of this machine is looked at. */
  view: LocalView | null;
  findings: Findings;
  signal: AbortSignal;
};

/** A content by its SHA-256 in lower-case hex, and its bytes. */
export type ContentName = { digest: string; size: number };

/** What had a content on this machine when it was last looked at; null: nothing. */
export async function findContent({ store, view }: Disk, content: ContentName): Promise<LocalFile | null> {
  if (store.has(content.digest)) return { path: store.pathOf(content.digest), size: content.size };
  return (await view?.find(content)) ?? null;
}
