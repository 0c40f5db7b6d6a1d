/** `npm test`: every test, or those of the files given, on node:test. */
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { readCommandLine } from './command-line.ts';
import { root } from './run.ts';
import { filesTogether } from './together.ts';

/** What takes longest begins first, so that it does not go on alone when all others have ended; at last, whatever is left. */
const everything = [
  'test/demo.test.ts',
  'test/main-job/*.test.ts',
  '{agent,backend,local-hub}/src.test.ts',
  'agent/src/**/{chaos,agent-faults}.test.ts',
  'cli/src/dev/*.test.ts',
  'backend/**/{quota,faults}.test.ts',
  'local-hub/fuzz/*.test.ts',
  'test/**/*.test.ts',
  'bench/**/*.test.ts',
  'agent/**/*.test.ts',
  '**/*.test.ts',
];

const usage = `Usage: npm test -- [FILE …] [options]

  Every test, or those of the files given, which may be patterns such as 'agent/src/**/*.test.ts'.

  --slowest   at the end, which files took longest
  --help      this text`;
const { values, positionals: patterns } = readCommandLine(usage, {
  allowPositionals: true,
  options: { slowest: { type: 'boolean' } },
});

const loadedByOthers = patterns.length > 0 ? new Set<string>() : await filesTogether();
const files = new Set<string>();
for (const pattern of patterns.length > 0 ? patterns : everything) {
  for await (const file of glob(pattern, { cwd: root, exclude: ['**/node_modules'] })) {
    if (!loadedByOthers.has(join(root, file))) files.add(join(root, file));
  }
}

// Each file is a process, and most start others: none strips the types of a file that another has just stripped.
process.env.NODE_COMPILE_CACHE = join(root, 'node_modules', '.cache', 'compiled');

const seconds = new Map<string, number>();
const events = run({
  files: [...files],
  // Most files wait now and then, for a process that starts or one that ends.
  concurrency: availableParallelism() + 2,
  // Of a file, which may load many; a test has five minutes.
  timeout: 900_000,
  // Microsoft's SDKs leave timers behind for minutes, as after a hub that was killed.
  execArgv: ['--test-force-exit', '--test-timeout=300000'],
});
process.exitCode = files.size > 0 ? 0 : 1;
events.on('test:fail', () => {
  process.exitCode = 1;
});
events.on('test:complete', ({ name, file, details }) => {
  if (name === file) seconds.set(relative(root, file), details.duration_ms / 1000);
});
events.compose(spec).pipe(process.stdout);
if (values.slowest === true) {
  process.once('exit', () => {
    const slowest = [...seconds].toSorted(([, one], [, other]) => other - one).slice(0, 25);
    for (const [file, took] of slowest) console.log(`${took.toFixed(1).padStart(7)} s  ${file}`);
  });
}
