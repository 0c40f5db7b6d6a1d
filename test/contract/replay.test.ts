import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { pythonEnvironment } from '../../backend/shared/embedded-database/python-environment.ts';

const root = join(import.meta.dirname, '..', '..');
const golden = join(root, 'proto', 'vectors');
const requirements = join(import.meta.dirname, 'replay', 'requirements.txt');
const run = promisify(execFile);

type Outcome = { code: number; output: string; counts: Record<string, number> };

/** Replays the vectors of a folder; the code is 0 if all of them hold. */
async function replay(t: TestContext, vectors: string): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-replay-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const descriptorSet = join(folder, 'contract.binpb');
  const python = await pythonEnvironment({ folder: join(root, '.venv'), name: 'contract', requirements });
  await run(join(root, 'node_modules', '.bin', 'buf'), ['build', '-o', descriptorSet], { cwd: root });
  const script = join(import.meta.dirname, 'replay', 'replay.py');
  const { code, stdout, stderr } = await run(python, [script, descriptorSet, vectors]).then(
    (done) => ({ code: 0, ...done }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return { code, output: `${stdout}${stderr}`, counts: last.startsWith('{') ? JSON.parse(last) : {} };
}

test('another language reads every vector the same, from the descriptor set alone', async (t) => {
  const { code, output, counts } = await replay(t, golden);
  assert.equal(code, 0, output.slice(-4000));
  const index = JSON.parse(await readFile(join(golden, 'vectors.json'), 'utf8'));
  assert.equal(counts.replayed, index.vectors.length);
});

test('the replay notices a rule, a form and a malformed message that are not as the index says', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-vectors-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const type = 'iotdh.agent.v1.Person';
  const person = join(golden, 'iotdh.agent.v1', 'Person');
  await cp(join(person, 'full.binpb'), join(folder, 'full.binpb'));
  await cp(join(person, 'minimal.json'), join(folder, 'minimal.json'));
  const vectors = [
    { type, case: 'rule', kind: 'invalid', violates: ['id: string.min_len'], binary: 'full.binpb' },
    { type, case: 'form', kind: 'valid', binary: 'full.binpb', json: 'minimal.json' },
    { type, case: 'readable', kind: 'malformed', binary: 'full.binpb' },
  ];
  await writeFile(join(folder, 'vectors.json'), JSON.stringify({ format: 1, vectors }));
  const { code, output } = await replay(t, folder);
  assert.equal(code, 1);
  for (const { case: name } of vectors) assert.match(output, new RegExp(`^${type} ${name}: `, 'm'));
  assert.match(output, /iotdh\.bus\.v1\.Frame has no valid vector/);
});
