/** `npm run fuzz [-- TARGET …] [options]`: fuzzes one target after another, and says how to replay what it finds. */
import { parseArgs } from 'node:util';
import { fuzzTargets, localHubTarget } from './fuzz-targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string' },
    tls: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const hubOptions = [
  ...(values.first === undefined ? [] : ['--first', values.first]),
  ...(values.tls ? ['--tls'] : []),
];
const targets = [localHubTarget(hubOptions), ...fuzzTargets];
const usage = `Usage: npm run fuzz -- [TARGET …] [options]

  Without a target: all of them, one after the other.

${targets.map(({ name, title, inputs }) => `  ${name.padEnd(14)}${title} (${inputs} inputs)`).join('\n')}

  --inputs N    so many inputs, for each target
  --seed N      which ones; the same seed makes the same inputs (default 1)
  --first N     of local-hub, which it then means: index of the first input
  --tls         of local-hub, which it then means: over TLS
  --help        this text`;

const names = positionals.length > 0 || hubOptions.length === 0 ? positionals : ['local-hub'];
const unknown = names.find((name) => targets.every((target) => target.name !== name));
const inputs = values.inputs === undefined ? undefined : Number(values.inputs);
const seed = Number(values.seed);
const wrong =
  unknown !== undefined || !Number.isSafeInteger(seed) || !Number.isSafeInteger(inputs ?? 1) || inputs === 0;

async function main(): Promise<void> {
  if (values.help || wrong) {
    console.error(unknown === undefined ? usage : `There is no target "${unknown}".\n\n${usage}`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  for (const target of targets.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const count = inputs ?? target.inputs;
    const started = performance.now();
    try {
      const report = await target.run({
        inputs: count,
        seed,
        signal: stop.signal,
        progress: (done) => console.error(`${target.name}: ${done} of ${count}`),
      });
      const seconds = Math.round((performance.now() - started) / 1_000);
      console.log(JSON.stringify({ target: target.name, seed, ...report, seconds }));
    } catch (error) {
      console.error(error);
      console.error(`Replay: npm run fuzz -- ${target.name} --seed ${seed} --inputs ${count}`);
      process.exitCode = 1;
      return;
    }
  }
}

await main();
