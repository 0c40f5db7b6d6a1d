/** What the end of a script means for the step that ran it. */
import type { ActionEnd } from './ports.ts';
import type { ScriptEnd } from './sandbox.ts';

export function endOfScript(end: ScriptEnd): ActionEnd {
  switch (end.kind) {
    case 'exited': {
      const { exitCode, output } = end;
      if (end.ok) return { kind: 'done', exitCode, output };
      return { kind: 'failed', reason: `the script exited with ${exitCode}`, exitCode, output };
    }
    case 'ended':
      return { kind: 'failed', reason: `the script did not end: ${end.reason}`, output: end.output };
    case 'refused':
      return { kind: 'failed', reason: end.reason };
    case 'stopped':
      return end;
  }
}
