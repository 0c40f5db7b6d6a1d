/** `npm run fuzz [-- TARGET …] [options]`: fuzzes one target after another, and says how to replay what it finds. */
import { interruptible, readCommandLine, refuse, wholeNumber } from './command-line.ts';
import { fuzzTargets, localHubTarget } from './fuzz-targets.ts';

const usage = `Usage: npm run fuzz -- [TARGET …] [options]

  Without a target: all of them, one after the other.

${[localHubTarget([]), ...fuzzTargets].map(({ name, title, inputs }) => `  ${name.padEnd(14)}${title} (${inputs} inputs)`).join('\n')}

  --inputs N    so many inputs, for each target
  --seed N      which ones; the same seed makes the same inputs (default 1)
  --first N     of local-hub, which it then means: index of the first input
  --tls         of local-hub, which it then means: over TLS
  --help        this text`;

const { values, positionals } = readCommandLine(usage, {
  allowPositionals: true,
  options: {
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string' },
    tls: { type: 'boolean', default: false },
  },
});
const hubOptions = [
  ...(values.first === undefined ? [] : ['--first', `${wholeNumber('first', values.first, 0)}`]),
  ...(values.tls ? ['--tls'] : []),
];
const targets = [localHubTarget(hubOptions), ...fuzzTargets];

const names = positionals.length > 0 || hubOptions.length === 0 ? positionals : ['local-hub'];
const unknown = names.find((name) => targets.every((target) => target.name !== name));
if (unknown !== undefined)
  refuse(`there is no target "${unknown}", only ${targets.map(({ name }) => name).join(', ')}`);
const inputs = values.inputs === undefined ? undefined : wholeNumber('inputs', values.inputs);
const seed = wholeNumber('seed', values.seed, 0);

async function main(signal: AbortSignal): Promise<void> {
  for (const target of targets.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const count = inputs ?? target.inputs;
    const started = performance.now();
    console.error(`${target.name}: ${count} inputs of seed ${seed}`);
    try {
      const report = await target.run({
        inputs: count,
        seed,
        signal,
        progress: (done) => console.error(`${target.name}: ${done} of ${count}`),
      });
      const seconds = Math.round((performance.now() - started) / 1_000);
      console.log(JSON.stringify({ target: target.name, seed, ...report, seconds }));
    } catch (error) {
      if (signal.aborted) throw error;
      console.error(error);
      console.error(`Replay: npm run fuzz -- ${target.name} --seed ${seed} --inputs ${count}`);
      process.exitCode = 1;
      return;
    }
  }
}

await interruptible(main);
