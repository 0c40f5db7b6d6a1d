/**
 * `make demo`: the whole job on this machine, with real programs. Everything lives in a temporary folder and nothing is left
 * behind, also after Ctrl-C.
 */
import { join } from 'node:path';
import { readCommandLine } from '../tools/command-line.ts';
import { runDemo } from './demo.ts';
import { createScreen } from './story/screen.ts';

const usage = `Usage: make demo [ARGS=--yes]

  --yes    answers every question with yes, for machines; without it you are asked
  --help   this text`;

const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

async function main(): Promise<number> {
  const { values } = readCommandLine(usage, { options: { yes: { type: 'boolean', short: 'y' } } });
  const yes = values.yes === true;
  if (!yes && !process.stdin.isTTY) {
    process.stderr.write(
      'The demo asks a person, and nobody is at this terminal; answer with --yes:\n  make demo ARGS=--yes\n',
    );
    return exitCodes.usage;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupted.abort(new Error('interrupted')));
  }
  const { PATH, HOME, TMPDIR } = process.env;
  const env = {
    ...{ PATH, HOME, TMPDIR },
    // A dozen processes start: what is compiled once need not be compiled again.
    NODE_COMPILE_CACHE: join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled'),
  };
  const nowMs = () => performance.now();
  const { stdin, stdout, stderr } = process;
  const screen = createScreen({ stdin, stdout, stderr, nowMs });
  try {
    await runDemo({ screen, yes, env, nowMs, signal: interrupted.signal });
    return exitCodes.ok;
  } catch (error) {
    screen.bar.clear();
    if (interrupted.signal.aborted) {
      stdout.write('\nInterrupted; everything is stopped and removed.\n');
      return exitCodes.interrupted;
    }
    console.error(error);
    return exitCodes.failed;
  }
}

// SDKs leave timers behind that would keep the process for a minute more.
process.exit(await main());
