/** The machine's own Windows Update, by a PowerShell script over its COM interfaces. It has not run on Windows yet. */
import { join } from 'node:path';
import { compareVersions } from '@iotdh/proto/versions';
import type { Clock } from '../clock.ts';
import { powershellOptions } from '../interpreter.ts';
import type { WindowsSelection, WindowsUpdate, WindowsUpdateEnd } from '../ports.ts';
import { type RunProgram, runProgram } from '../process-group.ts';
import { type Answer, describe, readAnswer, resultCodes } from './answer.ts';

export type WindowsUpdateOptions = {
  clock: Clock;
  redact: (text: string) => string;
  /** The agent's own environment: PowerShell needs SystemRoot and PATH of it. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Default: on this machine. */
  run?: RunProgram;
};

type Order = {
  action: 'install' | 'uninstall';
  kbArticles: string[];
  updateIds: string[];
  everything: boolean;
};
type Limits = { timeLimitMs: number; signal: AbortSignal };

export function createWindowsUpdate(options: WindowsUpdateOptions): WindowsUpdate {
  const { clock, redact, run = runProgram } = options;
  const environment: Record<string, string> = {};
  for (const name of ['PATH', 'SystemRoot', 'TEMP', 'ProgramData']) {
    const value = options.environment[name];
    if (value !== undefined) environment[name] = value;
  }

  async function ask(order: Order, { timeLimitMs, signal }: Limits): Promise<Answer | WindowsUpdateEnd> {
    const script = join(import.meta.dirname, 'windows-update.ps1');
    const end = await run(
      { file: 'powershell.exe', args: [...powershellOptions, script] },
      {
        folder: import.meta.dirname,
        environment,
        input: JSON.stringify(order),
        timeLimitMs,
        maxOutputBytes: 1024 * 1024,
        redact,
        signal,
        clock,
      },
    );
    if (end.kind === 'stopped') return { kind: 'stopped' };
    if (end.kind === 'not_started') return { kind: 'failed', reason: end.reason, installed: [] };
    const { output } = end;
    if (end.kind === 'timed_out') {
      const reason = `Windows Update took longer than ${timeLimitMs} ms`;
      return { kind: 'failed', reason, installed: [], output };
    }
    const answer = end.kind === 'exited' ? readAnswer(end.stdout) : null;
    if (answer !== null) return answer;
    return { kind: 'failed', reason: 'the Windows Update script gave no answer', installed: [], output };
  }

  function endOf(answer: Answer, what: string): WindowsUpdateEnd {
    const output = JSON.stringify(answer);
    const through = answer.phase === 'install' || answer.phase === 'uninstall';
    const installed = through
      ? answer.updates
          .filter(({ resultCode }) => resultCode === resultCodes.succeeded)
          .map(({ updateId }) => updateId)
      : [];
    const failed = answer.updates.filter(({ resultCode }) => resultCode !== resultCodes.succeeded);
    if (through && answer.resultCode === resultCodes.succeeded && failed.length === 0) {
      return { kind: 'done', installed, restartRequired: answer.restartRequired, output };
    }
    const each = failed.map(
      ({ updateId, kbArticles, hResult }) => `${kbArticles?.join(' ') || updateId} ${describe(hResult)}`,
    );
    const details = each.length > 0 ? each.join('; ') : describe(answer.hResult);
    return { kind: 'failed', reason: `${what} failed in ${answer.phase}: ${details}`, installed, output };
  }

  /** Whether nothing of the selection is missing, now that Windows Update has nothing to offer. */
  function judgeNothing(selection: WindowsSelection, { build }: Answer): WindowsUpdateEnd {
    const output = `build ${build}`;
    if (selection.kind === 'build' && compareVersions(build, selection.buildTag) < 0) {
      const reason = `Windows Update offers nothing for build ${selection.buildTag}; the machine is at ${build}`;
      return { kind: 'failed', reason, installed: [], output };
    }
    return { kind: 'done', installed: [], restartRequired: false, output };
  }

  return {
    async install(selection, limits) {
      const order: Order = {
        action: 'install',
        kbArticles: selection.kind === 'build' ? [...selection.kbArticles] : [],
        updateIds: selection.kind === 'updates' ? [...selection.updateIds] : [],
        everything: selection.kind === 'build' && selection.kbArticles.length === 0,
      };
      const answer = await ask(order, limits);
      if ('kind' in answer) return answer;
      const nothing = answer.phase === 'search' && answer.updates.length === 0;
      return nothing && answer.resultCode === resultCodes.succeeded
        ? judgeNothing(selection, answer)
        : endOf(answer, 'installing');
    },
    async uninstall(updateIds, limits) {
      const order: Order = {
        action: 'uninstall',
        kbArticles: [],
        updateIds: [...updateIds],
        everything: false,
      };
      const answer = await ask(order, limits);
      if ('kind' in answer) return answer;
      // Nothing found: what is not installed need not be removed.
      const gone = answer.phase === 'search' && answer.resultCode === resultCodes.succeeded;
      if (gone) return { kind: 'done', installed: [], restartRequired: false, output: '' };
      return endOf(answer, 'removing');
    },
  };
}
