/** `node apply-process.ts OLD DELTA NEW`: applies a delta. Its last line is how much memory that added, in bytes. */
import { open } from 'node:fs/promises';
import { applyDelta } from '../../delta/src/apply.ts';
import { fileReader } from './file-reader.ts';

const [oldPath, deltaPath, newPath] = process.argv.slice(2) as [string, string, string];

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
