/** `npm run bench [-- hub] [--rounds N] [--quick] [--dry-run]`: runs the comparisons and records them in bench/RESULTS.md. */
import { parseArgs } from 'node:util';
import { benchHub } from './hub/bench.ts';
import { record, section } from './results.ts';

const usage = `Usage: npm run bench -- [hub] [options]

  --rounds N    turns of each measurement; the median is recorded (default 3)
  --quick       small sizes, to see that the benchmark itself works
  --dry-run     print the table, do not write it to bench/RESULTS.md
  --help        this text`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const rounds = Number(values.rounds);
  const unknown = positionals.find((name) => name !== 'hub');
  if (values.help || unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
    console.error(unknown === undefined ? usage : `There is no benchmark "${unknown}".\n\n${usage}`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const title = 'Local hub';
  const rows = await benchHub({
    rounds,
    cloudToDevice: { count: values.quick ? 100 : 3_000, bytes: 61_440 },
    deviceToCloud: { count: values.quick ? 500 : 20_000, bytes: 512 },
    connections: values.quick ? 50 : 5_000,
    progress: (line) => console.error(line),
  });
  const peer = 'mqtt-packet and rhea over the same TLS, nothing kept, everything acknowledged at once';
  const text = section(title, peer, rows, new Date());
  console.log(text);
  if (!values['dry-run']) await record(title, text);
}

await main();
