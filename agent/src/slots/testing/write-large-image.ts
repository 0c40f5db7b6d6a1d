/**
 * Writes an image to a partition, both of them files, in a process whose memory is measured. Arguments: the image, its
 * digest and the partition. Prints one JSON object: how the writing ended, and by how much the resident memory grew at most.
 */
import { statSync } from 'node:fs';
import { writeImage } from '../write-image.ts';

const [from = '', digest = '', to = ''] = process.argv.slice(2);
const before = process.memoryUsage.rss();
let most = before;
const watch = () => {
  most = Math.max(most, process.memoryUsage.rss());
};
const started = performance.now();
const end = await writeImage({
  ...{ from, to, digest, partitionBytes: statSync(to).size },
  signal: new AbortController().signal,
  onPiece: watch,
  onFlushed: watch,
});
watch();
console.log(JSON.stringify({ end, grownBytes: most - before, ms: performance.now() - started }));
