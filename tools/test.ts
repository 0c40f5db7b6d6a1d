/** `npm test [-- PATTERN …]`: every test, or those of the files given, on node:test. */
import { join } from 'node:path';
import { root, run } from './run.ts';

const everything = [
  'tools/**/*.test.ts',
  'gen/ts/*.test.ts',
  'local-hub/{src,conformance,fuzz}/**/*.test.ts',
  'agent/src/**/*.test.ts',
  '{delta,trust}/{src,fuzz}/**/*.test.ts',
  'sdk-ts/{src,test}/**/*.test.ts',
  'backend/**/*.test.ts',
  'cli/src/**/*.test.ts',
  'demo/**/*.test.ts',
  'bench/**/*.test.ts',
  'test/**/*.test.ts',
];
const patterns = process.argv.slice(2);

const { code } = await run(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    '--test-concurrency=2',
    '--test-timeout=300000',
    ...(patterns.length > 0 ? patterns : everything),
  ],
  // Each file is a process, and most start others: none strips the types of a file that another has just stripped.
  { echo: true, env: { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled') } },
);
process.exitCode = code;
