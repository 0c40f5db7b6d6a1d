/**
 * `npm run check`: everything about the source that can be judged without running it. The checks run side by side; each
 * prints one line, and its output only when it failed.
 */
import { breaking } from './breaking.ts';
import { readCommandLine } from './command-line.ts';
import { generatedDrift } from './generated-drift.ts';
import { importBoundaries } from './import-boundaries.ts';
import { lockfileHosts } from './lockfile-hosts.ts';
import { markdownLinks } from './markdown-links.ts';
import { type Outcome, run } from './run.ts';

const usage = `Usage: npm run check

  Types, lint, format, contract, generated code, import boundaries, lockfile and links of documents: side by side, a line for each.`;
readCommandLine(usage, {});

const checks: Record<string, () => Promise<Outcome>> = {
  // The others have the other cores, and threads of its own would do some of its work twice.
  types: () => run('tsc', ['-p', '.', '--singleThreaded']),
  'lint and format': () => run('biome', ['check', '--error-on-warnings', '.']),
  'contract lint': () => run('buf', ['lint']),
  'contract format': () => run('buf', ['format', '--diff', '--exit-code']),
  'contract breaking changes': breaking,
  'generated code': generatedDrift,
  'import boundaries': importBoundaries,
  lockfile: lockfileHosts,
  'links of documents': markdownLinks,
};

const failed = await Promise.all(
  Object.entries(checks).map(async ([name, check]) => {
    const started = performance.now();
    const { code, output } = await check();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${code === 0 ? '✔' : '✖'} ${name} (${seconds} s)${code === 0 ? '' : `\n${output}`}`);
    return code !== 0;
  }),
);
process.exitCode = failed.includes(true) ? 1 : 0;
