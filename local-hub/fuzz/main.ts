/** `node local-hub/fuzz/main.ts`: fuzzes the hub for as long as it is told, and says how to replay what it finds. */
import { parseArgs } from 'node:util';
import { FuzzFailure } from './drive.ts';
import { fuzz } from './fuzz.ts';
import { memoryTarget, tlsTarget } from './target.ts';

const usage = `Usage: node local-hub/fuzz/main.ts [options]

  --inputs N     malformed clients to play (default 100000)
  --seed N       which ones; the same seed plays the same inputs (default 1)
  --first N      index of the first input, to replay a failure (default 0)
  --tls          over TLS against a hub in a process of its own, instead of in memory
  --help         this text`;

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    tls: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [inputs, seed, first] = [values.inputs, values.seed, values.first].map(Number) as [
  number,
  number,
  number,
];

if (values.help || ![inputs, seed, first].every(Number.isSafeInteger) || inputs < 1) {
  console.error(usage);
  process.exit(values.help ? 0 : 2);
}
// A few bytes that are kept of Node's pool keep 64 KiB of it; mqtt-packet, which makes the inputs, caches such bytes by the thousand.
Buffer.poolSize = 0;
const target = values.tls ? await tlsTarget() : await memoryTarget({ patienceMs: 5_000 });
let done = 0;
// The hub's own timers do not keep a process alive, and in memory there is no socket that would.
const alive = setInterval(() => {}, 60_000);
const onUncaught = (error: unknown): void => {
  const around = Math.max(0, first + done - 512);
  console.error(error);
  console.error(
    `Replay: node local-hub/fuzz/main.ts --seed ${seed} --first ${around} --inputs 1024${values.tls ? ' --tls' : ''}`,
  );
  process.exit(1);
};
process.on('uncaughtException', onUncaught);
const started = performance.now();
try {
  const report = await fuzz({
    target,
    seed,
    first,
    inputs,
    onProgress(count) {
      done = count;
      if (count % 10_000 === 0) console.error(`${count} of ${inputs}`);
    },
  });
  console.log(JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1_000) }));
} catch (error) {
  onUncaught(error instanceof FuzzFailure ? error.message : error);
}
await target.stop();
clearInterval(alive);
