/** `npm run bench [-- NAME …] [--rounds N] [--quick] [--dry-run]`: runs the comparisons and records them in bench/RESULTS.md. */
import { readCommandLine, refuse, wholeNumber } from '../tools/command-line.ts';
import { benches } from './benches.ts';
import { record, section } from './results.ts';

const names = Object.keys(benches);
const usage = `Usage: npm run bench -- [${names.join('|')} …] [options]

  Without a name: all of them, one after the other.

  --rounds N    turns of each measurement; the median is recorded (default 3)
  --quick       small sizes, to see that the benchmark itself works
  --large       also the sizes that take minutes and gigabytes of disk
  --pairs A,B   of the deltas: only these pairs of releases
  --limit N     of the deltas: CPU seconds that one command may take (default 1200)
  --dry-run     print the tables, do not write them to bench/RESULTS.md
  --help        this text`;

const { values, positionals } = readCommandLine(usage, {
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    limit: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const rounds = wholeNumber('rounds', values.rounds);
  const limitSeconds = values.limit === undefined ? undefined : wholeNumber('limit', values.limit);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) refuse(`there is no benchmark "${unknown}", only ${names.join(', ')}`);
  for (const name of positionals.length > 0 ? positionals : names) {
    const bench = await benches[name]!();
    const { quick, large, pairs } = values;
    const found = await bench.run({
      ...{ rounds, quick, large, progress: (line) => console.error(line) },
      ...(pairs !== undefined && { pairs: pairs.split(',') }),
      ...(limitSeconds !== undefined && { limitSeconds }),
    });
    const text = section(bench, found, new Date());
    console.log(text);
    if (!values['dry-run']) await record(bench.title, text);
  }
}

await main();
