/** The command lines of this repository's own commands: `--help` on stdout, and a mistake in one line with exit code 2. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Ends the process: what is wrong with its command line. */
export function refuse(what: string): never {
  process.stderr.write(`${what}; --help says what there is\n`);
  process.exit(2);
}

/** What was asked for. Answers `--help` with `usage` and ends the process, as a mistake does. */
export function readCommandLine<const T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      ...config,
      options: { ...config.options, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message.split('. ')[0]! : String(error));
  }
  if (parsed.values.help === true) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  return parsed as ReturnType<typeof parseArgs<T>>;
}

/** Runs what Ctrl-C may end early, which its processes hear too: whatever fails after that is no failure. The exit code is then 130. */
export async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    await work(stop.signal);
    stop.signal.throwIfAborted();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write('interrupted\n');
    process.exitCode = 130;
  }
}

/** The number that `--name` was given. */
export function wholeNumber(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`--${name} must be a whole number from ${least}, not "${text}"`);
}
