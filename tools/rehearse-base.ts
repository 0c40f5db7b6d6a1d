/** `npm run rehearse-base [-- options]`: brings bases in on a machine in qemu with UEFI firmware and systemd-boot. */
import { writeFileSync } from 'node:fs';
import type { Line } from '../agent/src/slots/rehearsal/machine.ts';
import { findPackages } from '../agent/src/slots/rehearsal/packages.ts';
import { rehearse } from '../agent/src/slots/rehearsal/rehearse.ts';
import { interruptible, readCommandLine } from './command-line.ts';
import { root } from './run.ts';

const usage = `Usage: npm run rehearse-base -- [options]

  Brings bases in on a machine in qemu with UEFI firmware and systemd-boot.

  --packages FOLDER   Debian packages that are not installed, unpacked there by dpkg -x
  --console           also what the machine prints
  --record FILE       writes the transcript that the tests replay
  --help              this text`;

const { values } = readCommandLine(usage, {
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
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1).padStart(6);

function print({ what, ...rest }: Line): void {
  const { entries, system, base, proven } = rest;
  const shown = [base, system, proven === undefined ? '' : proven ? 'proven' : 'fell back', entries ?? ''];
  console.log(`${seconds()} s  ${what.padEnd(15)} ${shown.flat().filter(Boolean).join('  ')}`);
}

await interruptible(async (signal) => {
  const lines = await rehearse({
    found: packages.found,
    repository: root,
    signal,
    onLine: print,
    ...(values.console ? { onConsole: (text: string) => console.log(text) } : {}),
  });
  if (values.record !== undefined) writeFileSync(values.record, `${JSON.stringify(lines, null, 2)}\n`);
});
