/** Gives `windows-slots.ps1` one order and reads its answer. */
import { join } from 'node:path';
import type { Clock } from '../../install/clock.ts';
import { powershellOptions } from '../../install/interpreter.ts';
import { type RunProgram, runProgram } from '../../install/process-group.ts';
import { SlotsError } from '../slots-error.ts';
import { readAnswer } from './answer.ts';

export type WindowsOrder =
  | { action: 'read' }
  | { action: 'offer' | 'withdraw' | 'start_by_default' | 'size'; partition: string }
  /** '': nothing is started once. */
  | { action: 'start_once'; partition: string }
  /** Which partition the folder lies on. */
  | { action: 'partition_of'; folder: string }
  | { action: 'apply'; partition: string; image: string; index: number };

/** Null: it was stopped. Throws a SlotsError when the order failed. */
export type AskWindows = (
  order: WindowsOrder,
  signal?: AbortSignal,
) => Promise<Record<string, unknown> | null>;

export type AskWindowsOptions = {
  clock: Clock;
  redact: (text: string) => string;
  /** The agent's own environment: PowerShell needs SystemRoot and PATH of it. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Default: on this machine. */
  run?: RunProgram;
};

const orderMs = 5 * 60_000;
/** Applying and comparing a whole Windows. */
const applyMs = 6 * 60 * 60_000;
const never = new AbortController().signal;

export function createAskWindows(options: AskWindowsOptions): AskWindows {
  const { clock, redact, run = runProgram } = options;
  const environment: Record<string, string> = {};
  for (const name of ['PATH', 'SystemRoot', 'SystemDrive', 'TEMP', 'TMP']) {
    const value = options.environment[name];
    if (value !== undefined) environment[name] = value;
  }

  return async (order, signal = never) => {
    const script = join(import.meta.dirname, 'windows-slots.ps1');
    const timeLimitMs = order.action === 'apply' ? applyMs : orderMs;
    const end = await run(
      { file: 'powershell.exe', args: [...powershellOptions, script] },
      {
        folder: import.meta.dirname,
        input: JSON.stringify(order),
        ...{ environment, timeLimitMs, maxOutputBytes: 1024 * 1024, redact, signal, clock },
      },
    );
    if (end.kind === 'stopped') return null;
    const failed = (why: string) =>
      new SlotsError('order_failed', `Windows, asked to ${order.action}: ${why}`);
    if (end.kind === 'not_started') throw failed(end.reason);
    if (end.kind === 'timed_out') throw failed(`no answer within ${timeLimitMs} ms`);
    const answer = end.kind === 'exited' ? readAnswer(end.stdout) : null;
    if (answer === null) throw failed('the script gave no answer');
    if ('message' in answer) throw failed(answer.message);
    return answer.done;
  };
}
