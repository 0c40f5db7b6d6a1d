/** `node test/contract/write-vectors.ts`: writes proto/vectors anew from the cases. Files that no case makes are removed. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createValidator } from '@bufbuild/protovalidate';
import { computeVectors, indexText } from './vectors.ts';

const root = join(import.meta.dirname, '..', '..', 'proto', 'vectors');
const { index, files } = computeVectors(createValidator());
await mkdir(root, { recursive: true });
for (const entry of await readdir(root)) {
  if (entry.startsWith('iotdh.')) await rm(join(root, entry), { recursive: true });
}
for (const [path, content] of files) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}
await writeFile(join(root, 'vectors.json'), indexText(index));
console.log(`${index.length} vectors, ${files.size} files`);
