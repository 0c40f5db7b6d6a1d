/** `node produce-process.ts OLD NEW DELTA CODEC`: makes a delta. */
import { open, stat } from 'node:fs/promises';
import { type DeltaCodec, produceDelta, type Reader } from '../../delta/src/index.ts';

const [oldPath, newPath, deltaPath, codec] = process.argv.slice(2) as [string, string, string, DeltaCodec];

async function fileReader(path: string): Promise<Reader> {
  const file = await open(path);
  return {
    size: (await stat(path)).size,
    async read(into, position) {
      for (let at = 0; at < into.length; ) {
        const { bytesRead } = await file.read(into, at, into.length - at, position + at);
        if (bytesRead === 0) throw new Error(`${path} ends early`);
        at += bytesRead;
      }
    },
  };
}

const delta = await open(deltaPath, 'w');
const [base, output] = [await fileReader(oldPath), await fileReader(newPath)];
for await (const piece of produceDelta({ base, output, codec })) await delta.writeFile(piece);
await delta.close();
process.exit(0);
