/** `iotdh pack export`: packs for a stick, to a device without a link. */
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { printJson } from '../output/format.ts';
import { createProgressBar } from '../output/progress-bar.ts';
import { exportBundle } from '../pack-build/export-bundle.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { sizeText } from '../quantities.ts';
import { metadataForBundle, requireSigned } from '../signing/bundled-metadata.ts';
import type { Context } from './context.ts';
import { fromAuthor } from './pack-files.ts';

export type ExportCommandOptions = { to: string };

export async function exportPacks(
  { terminal, fleet, format }: Context,
  folders: readonly string[],
  { to }: ExportCommandOptions,
): Promise<void> {
  if (folders.length > 2) {
    throw new Failure(exitCode.usage, 'a bundle holds a PATCH, the BASE that it falls back to, or both');
  }
  const bar = createProgressBar(terminal);
  try {
    const packs = await fromAuthor(() => Promise.all(folders.map(openPack)));
    const metadata = await metadataForBundle(fleet.trust, terminal.signal);
    await requireSigned(packs, metadata, terminal.now().getTime());
    const exported = await fromAuthor(() =>
      exportBundle({
        ...{ packs, metadata, folder: to, createTime: terminal.now(), signal: terminal.signal },
        onProgress: (done, total) => bar.update(done, total, 'writing'),
      }),
    );
    bar.clear();
    if (format === 'name') terminal.out(`${exported.folder}\n`);
    else if (format !== 'table') await printJson(terminal, format, exported);
    else {
      const { packs, bytes, folder } = exported;
      terminal.out(
        `${terminal.style('green', 'Wrote')} ${packs.join(' and ')}, ${sizeText(bytes)}, to ${folder}\n`,
      );
      terminal.note('Next, within a week, at the device: iotdh-agent import FOLDER');
    }
  } finally {
    bar.clear();
  }
}
