/** `node apply-process.ts OLD DELTA NEW`: applies a delta. Its last line is how much memory that added, in bytes. */
import { open, stat } from 'node:fs/promises';
import { applyDelta, type Reader } from '../../delta/src/apply.ts';

const [oldPath, deltaPath, newPath] = process.argv.slice(2) as [string, string, string];

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

const output = await open(newPath, 'w');
const [base, delta] = [await fileReader(oldPath), await fileReader(deltaPath)];
const before = process.resourceUsage().maxRSS;
let position = 0;
for await (const piece of applyDelta({ base, delta })) {
  for (let at = 0; at < piece.length; ) {
    const { bytesWritten } = await output.write(piece, at, piece.length - at, position);
    at += bytesWritten;
    position += bytesWritten;
  }
}
await output.close();
console.log((process.resourceUsage().maxRSS - before) * 1024);
process.exit(0);
