/** The programs that interpret scripts, and how each is called. */
import { Interpreter } from '@iotdh/proto/update/v1';
import type { Command } from './process-group.ts';

export type Found =
  /** `environment`: what the interpreter needs besides what scripts are given. */
  | {
      kind: 'found';
      extension: string;
      environment?: Record<string, string>;
      command(script: string, args: readonly string[]): Command;
    }
  | { kind: 'refused'; reason: string };

/** The interpreter on such a machine. Arguments reach the script as they are: no shell sees them. */
export function interpreterFor(interpreter: Interpreter, platform: NodeJS.Platform): Found {
  switch (interpreter) {
    case Interpreter.ZX:
      // zx's own command would read options meant for the script, and install what it imports. Its globals are all of zx
      // that a script needs; the agent's Node does the rest.
      return {
        kind: 'found',
        extension: '.mjs',
        // zx starts bash on a socket, where bash takes itself for a remote shell and runs the user's .bashrc, which no
        // manifest covers; but only on the outermost level.
        environment: { SHLVL: '1' },
        command: (script, args) => ({
          file: process.execPath,
          args: ['--no-warnings', '--import', import.meta.resolve('zx/globals'), script, ...args],
        }),
      };
    case Interpreter.SH:
      if (platform === 'win32') return refused('sh scripts run on Linux only');
      return {
        kind: 'found',
        extension: '.sh',
        command: (script, args) => ({ file: '/bin/sh', args: [script, ...args] }),
      };
    case Interpreter.POWERSHELL:
      if (platform !== 'win32') return refused('PowerShell scripts run on Windows only');
      return {
        kind: 'found',
        extension: '.ps1',
        command: (script, args) => ({
          file: 'powershell.exe',
          args: [...powershellOptions, script, ...args],
        }),
      };
    default:
      return refused('this agent does not know the interpreter of a script');
  }
}

/** Ends with what to run. The policy on this machine is for what people start; these scripts are held to their digest. */
export const powershellOptions: readonly string[] = [
  '-NoLogo',
  '-NoProfile',
  '-NonInteractive',
  '-ExecutionPolicy',
  'Bypass',
  '-File',
];

const refused = (reason: string): Found => ({ kind: 'refused', reason });
