/** `node apply-process.ts OLD DELTA NEW`: applies a delta. Without arguments it ends when it has loaded what it would need. */
import { open } from 'node:fs/promises';
import { applyDelta } from '../../delta/src/apply.ts';
import { fileReader } from './file-reader.ts';

const [oldPath, deltaPath, newPath] = process.argv.slice(2);
if (oldPath === undefined || deltaPath === undefined || newPath === undefined) process.exit(0);

const output = await open(newPath, 'w');
const [base, delta] = [await fileReader(oldPath), await fileReader(deltaPath)];
let position = 0;
for await (const piece of applyDelta({ base, delta })) {
  for (let at = 0; at < piece.length; ) {
    const { bytesWritten } = await output.write(piece, at, piece.length - at, position);
    at += bytesWritten;
    position += bytesWritten;
  }
}
await output.close();
process.exit(0);
