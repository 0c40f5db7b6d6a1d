/** The client that TUF's conformance suite calls, and what is made of the suite's report. The suite itself is fetched by hand. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRepository, manifest, sha256 } from '../src/testing/repository.ts';
import { judge } from './judge.ts';

const run = (...args: string[]) =>
  new Promise<number>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'client.ts'), ...args], (error) =>
      resolve(error === null ? 0 : Number(error.code)),
    );
  });

/** Serves a file for each path. */
async function serve(t: TestContext, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const bytes = files.get(url.slice(1));
    if (bytes === undefined) response.writeHead(404).end();
    else response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('the suite’s client follows a repository on a web server, and downloads what is signed until one is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-conformance-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const repository = await createRepository({ nowMs: Date.now() });
  const bytes = ['8.1', '8.2', '8.3'].map((version) => Buffer.from(`carto ${version}`));
  await repository.publish(...bytes.map((each, index) => manifest('carto', `8.${index + 1}`, each)));
  const files = new Map<string, Uint8Array>(
    repository
      .files()
      .map(({ role, version, bytes }) => [
        role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`,
        bytes,
      ]),
  );
  for (const each of bytes) files.set(`targets/carto/${sha256(each)}.${String(each).split(' ')[1]}`, each);
  files.set(`targets/carto/${sha256(bytes[1]!)}.8.2`, Buffer.from('something else'));
  const url = await serve(t, files);
  const metadata = ['--metadata-dir', join(folder, 'metadata')];
  const anchor = join(folder, 'anchor.json');
  writeFileSync(anchor, repository.anchor);
  assert.equal(await run(...metadata, 'init', anchor), 0);
  const from = [...metadata, '--metadata-url', url];
  assert.equal(await run(...from, 'refresh'), 0);
  assert.deepEqual(readFileSync(join(folder, 'metadata', 'targets.json')), repository.targets);
  const names = ['carto/8.1', 'carto/8.2', 'carto/8.3'].flatMap((name) => ['--target-name', name]);
  const to = ['--target-base-url', `${url}/targets`, '--target-dir', join(folder, 'metadata')];
  assert.equal(await run(...from, ...to, ...names, 'download'), 1);
  assert.deepEqual(
    readdirSync(join(folder, 'metadata')).filter((name) => name.startsWith('carto')),
    ['carto%2F8.1'],
    'the second is not what was signed, and nothing comes after it',
  );
});

test('a case that fails unexpectedly, passes unexpectedly, is skipped or is gone is a problem', () => {
  const expected = [
    { name: 'delegates', reason: 'no delegations' },
    { name: 'broken[b]', reason: 'by design' },
    { name: 'gone', reason: 'it was' },
  ];
  const cases = [
    { name: 'plain', outcome: 'passed' },
    { name: 'delegates[one]', outcome: 'failed' },
    { name: 'delegates[two]', outcome: 'passed' },
    { name: 'delegates[three]', outcome: 'error' },
    { name: 'broken[a]', outcome: 'failed' },
    { name: 'broken[b]', outcome: 'failed' },
    { name: 'left', outcome: 'skipped' },
  ];
  assert.deepEqual(judge(cases, expected), {
    passed: 2,
    failed: [
      { name: 'delegates[one]', reason: 'no delegations' },
      { name: 'broken[b]', reason: 'by design' },
    ],
    problems: [
      'delegates[two]: passed, and is expected to fail',
      'delegates[three]: error',
      'broken[a]: failed',
      'left: skipped',
      'gone: the suite has no such case',
    ],
  });
  assert.deepEqual(judge([], []).problems, ['no case was run']);
});
