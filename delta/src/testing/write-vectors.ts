/** `node delta/src/testing/write-vectors.ts`: writes the golden vectors into `delta/vectors`. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeVectors } from './vectors.ts';

const folder = join(import.meta.dirname, '..', '..', 'vectors');

/** Bases and outputs are shared: each is named by the beginning of its digest. */
async function store(bytes: Buffer): Promise<string> {
  const name = `${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.bin`;
  await writeFile(join(folder, name), bytes);
  return name;
}

const vectors = [];
for (const vector of makeVectors()) {
  await writeFile(join(folder, `${vector.name}.delta`), vector.delta);
  const listed = { name: vector.name, base: await store(vector.base) };
  vectors.push(
    'output' in vector
      ? { ...listed, output: await store(vector.output) }
      : { ...listed, reason: vector.reason },
  );
}
await writeFile(join(folder, 'vectors.json'), `${JSON.stringify({ format: 1, vectors }, null, 2)}\n`);
