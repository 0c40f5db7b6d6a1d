/** How a command ends other than well: an exit code, what failed, and what to do next. */
import type { ExitCode } from './exit-code.ts';

export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** Empty: there is nothing to advise. */
  readonly next: string;

  constructor(code: ExitCode, message: string, options: { next?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Failure';
    this.exitCode = code;
    this.next = options.next ?? '';
  }
}
