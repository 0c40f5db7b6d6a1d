/** `npm test [-- PATTERN …]`: every test, or those of the files given, on node:test. */
import { run } from './run.ts';

const everything = [
  'tools/**/*.test.ts',
  'gen/ts/*.test.ts',
  'local-hub/{src,conformance,fuzz}/**/*.test.ts',
  'agent/src/**/*.test.ts',
  'sdk-ts/{src,test}/**/*.test.ts',
  'backend/**/*.test.ts',
  'cli/src/**/*.test.ts',
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
  { echo: true },
);
process.exitCode = code;
