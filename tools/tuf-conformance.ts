/** `npm run tuf-conformance -- --suite FOLDER`: TUF's conformance suite against the device's client. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pythonEnvironment } from '../backend/shared/embedded-database/python-environment.ts';
import { type ExpectedFailure, expectedFailures } from '../trust/conformance/expected-failures.ts';
import { judge } from '../trust/conformance/judge.ts';
import { runSuite } from '../trust/conformance/run-suite.ts';
import { interruptible, readCommandLine, refuse } from './command-line.ts';
import { root } from './run.ts';

const usage = `Usage: npm run tuf-conformance -- --suite FOLDER [options]

  Runs TUF's conformance suite against the client of the device, and fails when a case fails
  that trust/conformance/expected-failures.ts does not name, or passes that it does.

  --suite FOLDER   a checkout of https://github.com/theupdateframework/tuf-conformance
  --only WORDS     only the cases that pytest's -k selects
  --help           this text

  Needs python3 with venv, the package registry once, and Debian's package faketime.`;

const { values } = readCommandLine(usage, {
  options: { suite: { type: 'string' }, only: { type: 'string' } },
});
if (values.suite === undefined) refuse('--suite is missing: a checkout of the conformance suite');
const suite = resolve(values.suite);
if (!existsSync(join(suite, 'tuf_conformance', 'conftest.py'))) {
  refuse(
    `${suite} is no checkout of theupdateframework/tuf-conformance: it has no tuf_conformance/conftest.py`,
  );
}
try {
  execFileSync('faketime', ['--version'], { stdio: 'ignore' });
} catch {
  refuse('the program faketime is missing: apt-get install faketime');
}

await interruptible(async (signal) => {
  const python = await pythonEnvironment({
    folder: join(root, '.venv'),
    name: 'tuf-conformance',
    requirements: join(root, 'trust', 'conformance', 'requirements.txt'),
    onMake: () => console.log('Set-up, once: fetching what the suite runs on from PyPI'),
    signal,
  });
  const pytest = ['--quiet', '--tb=no', ...(values.only === undefined ? [] : ['-k', values.only])];
  const cases = await runSuite({ suite, python, pytest, env: process.env, signal });
  // Of a part nobody can say what is gone.
  const isRun = ({ name }: ExpectedFailure) =>
    cases.some((one) => one.name === name || one.name.startsWith(`${name}[`));
  const expected = values.only === undefined ? expectedFailures : expectedFailures.filter(isRun);
  const { passed, failed, problems } = judge(cases, expected);
  const byReason = Object.entries(Object.groupBy(failed, ({ reason }) => reason));
  console.log(`\n${cases.length} cases: ${passed} passed, ${failed.length} failed by design`);
  for (const [reason, those = []] of byReason) console.log(`  ${those.length}: ${reason}`);
  for (const problem of problems) console.error(`✗ ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
});
