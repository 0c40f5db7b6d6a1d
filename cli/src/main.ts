/** The process: arguments, environment, signals and exit code. */
import { exitCode } from './exit-code.ts';
import { run } from './run.ts';
import { createTerminal } from './terminal.ts';

const interrupted = new AbortController();
let signals = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    signals += 1;
    if (signals > 1) process.exit(exitCode.interrupted);
    interrupted.abort();
  });
}
// A reader that goes away early, such as `| head`, is no failure.
process.stdout.on('error', () => process.exit(exitCode.ok));
const code = await run(process.argv.slice(2), createTerminal(process, interrupted.signal));
// Connections that are kept alive must not keep the process; what was written is written first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
