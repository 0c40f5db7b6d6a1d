import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { DeltaError } from './apply.ts';
import { applyWhole } from './testing/apply-whole.ts';

const folder = join(import.meta.dirname, '..', 'vectors');
const replay = (vectors: string) =>
  promisify(execFile)('python3', [join(folder, 'replay.py'), vectors]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );

type Listed = { name: string; base: string; output?: string; reason?: string };
const listed: Listed[] = JSON.parse(await readFile(join(folder, 'vectors.json'), 'utf8')).vectors;

test('every golden vector is applied, or refused for its reason', async () => {
  for (const { name, base, output, reason } of listed) {
    const applying = applyWhole(
      await readFile(join(folder, base)),
      await readFile(join(folder, `${name}.delta`)),
    );
    if (output !== undefined) assert.deepEqual(await applying, await readFile(join(folder, output)), name);
    else
      await assert.rejects(applying, (error) => error instanceof DeltaError && error.reason === reason, name);
  }
});

test('an applier in another language, made from the format’s description, agrees', async () => {
  const { code, stdout } = await replay(folder);
  assert.equal(code, 0, stdout);
  const counts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  assert.equal(counts.replayed + counts.skipped, listed.length);
  // Python before 3.14 has neither codec: the frames that the replay decodes itself are enough for all but these.
  assert.ok(counts.skipped <= 8, stdout);
});

test('the replay notices a vector that is not as it is listed', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'iotdh-vectors-'));
  t.after(() => rm(copy, { recursive: true }));
  await cp(folder, copy, { recursive: true });
  const vectors = listed.map((vector) =>
    vector.name === 'copied-segment'
      ? { name: vector.name, base: vector.base, reason: 'malformed' }
      : vector.name === 'unknown-kind'
        ? { ...vector, reason: 'corrupt' }
        : vector,
  );
  await writeFile(join(copy, 'vectors.json'), JSON.stringify({ format: 1, vectors }));
  const { code, stdout } = await replay(copy);
  assert.equal(code, 1);
  assert.match(stdout, /^copied-segment: /m);
  assert.match(stdout, /^unknown-kind: /m);
});
