/** `iotdh pack export`: packs for a stick, to a device without a link. */
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { createProgressBar } from '../output/progress-bar.ts';
import { exportBundle } from '../pack-build/export-bundle.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';
import { fromAuthor } from './pack-files.ts';

export type ExportCommandOptions = { to: string; output?: Format };

export async function exportPacks(
  terminal: Terminal,
  folders: readonly string[],
  { to, output }: ExportCommandOptions,
): Promise<void> {
  if (folders.length > 2) {
    throw new Failure(exitCode.usage, 'a bundle holds a PATCH, the BASE that it falls back to, or both');
  }
  const bar = createProgressBar(terminal);
  try {
    const exported = await fromAuthor(async () =>
      exportBundle({
        packs: await Promise.all(folders.map(openPack)),
        folder: to,
        createTime: terminal.now(),
        signal: terminal.signal,
        onProgress: (done, total) => bar.update(done, total, 'writing'),
      }),
    );
    bar.clear();
    const format = formatOf(output, terminal);
    if (format === 'name') terminal.out(`${exported.folder}\n`);
    else if (format !== 'table') await printJson(terminal, format, exported);
    else {
      const { packs, bytes, folder } = exported;
      terminal.out(
        `${terminal.style('green', 'Wrote')} ${packs.join(' and ')}, ${sizeText(bytes)}, to ${folder}\n`,
      );
      terminal.note('Next, at the device: iotdh-agent import FOLDER');
    }
  } finally {
    bar.clear();
  }
}
