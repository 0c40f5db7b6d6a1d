/** `node produce-process.ts OLD NEW DELTA CODEC`: makes a delta. */
import { open } from 'node:fs/promises';
import { type DeltaCodec, produceDelta } from '../../delta/src/index.ts';
import { fileReader } from './file-reader.ts';

const [oldPath, newPath, deltaPath, codec] = process.argv.slice(2) as [string, string, string, DeltaCodec];

const delta = await open(deltaPath, 'w');
const [base, output] = [await fileReader(oldPath), await fileReader(newPath)];
for await (const piece of produceDelta({ base, output, codec })) await delta.writeFile(piece);
await delta.close();
process.exit(0);
