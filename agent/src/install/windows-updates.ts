/** Components b and c on Windows: updates that the machine's own Windows Update installs, and removes where it can. */
import { join } from 'node:path';
import { type ComponentContext, type ComponentInstaller, done } from './component-installer.ts';
import { readIfThere, writeDurably } from './durable.ts';
import type { ActionEnd, WindowsSelection, WindowsUpdate, WindowsUpdateEnd } from './ports.ts';

export function createWindowsUpdatesComponent(
  selection: WindowsSelection,
  options: { windowsUpdate: WindowsUpdate | undefined; timeLimitMs: number },
  context: ComponentContext,
): ComponentInstaller {
  const { windowsUpdate, timeLimitMs } = options;
  const note = join(context.notes, 'installed-updates.json');
  const refusal = windowsUpdate === undefined ? 'this machine has no Windows Update' : null;

  /** What earlier attempts have installed counts too: Windows Update does not offer it again. */
  async function noteInstalled(end: WindowsUpdateEnd): Promise<void> {
    if (end.kind === 'stopped') return;
    const before = JSON.parse((await readIfThere(note)) ?? '[]') as string[];
    await writeDurably(note, JSON.stringify([...new Set([...before, ...end.installed])]));
    context.failPoint('version_noted', context.id);
  }

  return {
    atomic: false,
    notRestorable: null,
    refusal: async () => refusal ?? (await windowsUpdate?.refusal?.()) ?? null,
    stage: () => Promise.resolve(done),
    async apply(signal, _again, operation): Promise<ActionEnd> {
      if (windowsUpdate === undefined) return { kind: 'failed', reason: refusal ?? '' };
      const end = await windowsUpdate.install(selection, { timeLimitMs, signal, operation });
      await noteInstalled(end);
      return endOf(end);
    },
    async restore(signal, operation): Promise<ActionEnd> {
      const installed = JSON.parse((await readIfThere(note)) ?? '[]') as string[];
      if (installed.length === 0) return done;
      if (windowsUpdate === undefined) return { kind: 'failed', reason: refusal ?? '' };
      return endOf(await windowsUpdate.uninstall(installed, { timeLimitMs, signal, operation }));
    },
    letGo: () => Promise.resolve(),
  };
}

function endOf(end: WindowsUpdateEnd): ActionEnd {
  if (end.kind !== 'done') return end;
  const restart = end.restartRequired ? '; Windows wants a restart before it takes effect' : '';
  return { kind: 'done', output: end.output, detail: `${end.installed.length} updates${restart}` };
}
