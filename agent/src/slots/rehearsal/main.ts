/**
 * `make rehearse-base ARGS="[--packages FOLDER] [--console] [--record FILE]"`: brings bases in on a machine in
 * qemu with UEFI firmware and systemd-boot. `FOLDER` has packages unpacked by `dpkg -x` that are not installed; `FILE` gets
 * the transcript that the tests replay.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Line } from './machine.ts';
import { findPackages } from './packages.ts';
import { rehearse } from './rehearse.ts';

const { values } = parseArgs({
  options: {
    packages: { type: 'string', default: '/' },
    console: { type: 'boolean', default: false },
    record: { type: 'string' },
  },
});
const packages = findPackages(values.packages, process.env.PATH ?? '');
if (packages.kind === 'missing') {
  console.error(
    `a rehearsal needs of Debian: apt-get install --no-install-recommends ${packages.packages.join(' ')}`,
  );
  process.exit(2);
}
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1).padStart(6);

function print({ what, ...rest }: Line): void {
  const { entries, system, base, proven } = rest;
  const shown = [base, system, proven === undefined ? '' : proven ? 'proven' : 'fell back', entries ?? ''];
  console.log(`${seconds()} s  ${what.padEnd(15)} ${shown.flat().filter(Boolean).join('  ')}`);
}

const lines = await rehearse({
  found: packages.found,
  repository: join(import.meta.dirname, '..', '..', '..', '..'),
  signal: abort.signal,
  onLine: print,
  ...(values.console ? { onConsole: (text: string) => console.log(text) } : {}),
});
if (values.record !== undefined) writeFileSync(values.record, `${JSON.stringify(lines, null, 2)}\n`);
