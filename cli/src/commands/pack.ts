/** `iotdh pack list|get|yank|upload`: packs in the fleet's keeping. */
import { PackState } from '@iotdh/proto/fleet/v1';
import { findPack } from '../connection/find-pack.ts';
import { readPages } from '../connection/pages.ts';
import { printList, printOne } from '../output/format.ts';
import { createProgressBar } from '../output/progress-bar.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { sizeText } from '../quantities.ts';
import type { HandedIn } from '../signing/hand-in.ts';
import type { Terminal } from '../terminal.ts';
import { packView } from '../views/pack.ts';
import { type Context, noteMore } from './context.ts';
import { fromAuthor } from './pack-files.ts';
import { uploadPack } from './upload-pack.ts';
import { enumValue } from './words.ts';

export type ListOptions = { name?: string; state?: string[]; limit: number };

export async function listPacks({ terminal, fleet, format }: Context, options: ListOptions): Promise<void> {
  const { name = '', state = [], limit } = options;
  const states = state.map((word) => enumValue(PackState, word));
  const { items, more } = await readPages(limit, async (pageSize, pageToken) => {
    const page = await fleet.packs.listPacks(
      { name, states, pageSize, pageToken },
      { signal: terminal.signal },
    );
    return { items: page.packs, nextPageToken: page.nextPageToken };
  });
  await printList(
    terminal,
    format,
    packView,
    items,
    'There are no such packs. Make one with: iotdh pack build, then iotdh pack upload',
  );
  noteMore(terminal, more, limit);
}

export async function getPack({ terminal, fleet, format }: Context, word: string): Promise<void> {
  const pack = await findPack(fleet, word, { assignable: false, signal: terminal.signal });
  await printOne(terminal, format, packView, pack);
}

export async function yankPack(
  { terminal, fleet, format }: Context,
  word: string,
  reason: string,
): Promise<void> {
  const { signal } = terminal;
  const { packId } = await findPack(fleet, word, { assignable: false, signal });
  const { pack } = await fleet.packs.yankPack({ packId, reason }, { signal });
  if (pack === undefined) return;
  await printOne(terminal, format, packView, pack);
  const { name, version } = pack.manifest ?? {};
  terminal.note(
    `It is still signed. So that no device takes it: iotdh pack renew FOLDER --remove ${name}@${version}`,
  );
}

export type UploadOptions = { draft?: boolean; parallel: number };

export async function upload(
  { terminal, fleet, format, keysFolder }: Context,
  folder: string,
  options: UploadOptions,
): Promise<void> {
  const bar = createProgressBar(terminal);
  try {
    const pack = await fromAuthor(() => openPack(folder));
    const uploaded = await fromAuthor(() =>
      uploadPack({
        pack,
        fleet,
        keysFolder,
        nowMs: () => terminal.now().getTime(),
        publish: options.draft !== true,
        parallel: options.parallel,
        signal: terminal.signal,
        onProgress: (done, total) => bar.update(done, total, 'uploading'),
      }),
    );
    bar.clear();
    const there =
      uploaded.skippedBytes === 0 ? '' : `, ${sizeText(uploaded.skippedBytes)} were there already`;
    terminal.note(`Sent ${sizeText(uploaded.sentBytes)}${there}.`);
    noteSignature(terminal, uploaded.signature);
    await printOne(terminal, format, packView, uploaded.pack);
  } finally {
    bar.clear();
  }
}

function noteSignature(terminal: Terminal, signature: HandedIn): void {
  if (signature.kind !== 'signed' && signature.kind !== 'handed_in') return;
  const { keys, version } = signature;
  terminal.note(`Signed by ${keys} ${keys === 1 ? 'key' : 'keys'}, in targets ${version}.`);
}
