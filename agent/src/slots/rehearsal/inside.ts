/**
 * What runs inside the rehearsed machine, at every start of it: the agent's installer of bases with its real slots, working
 * through the bases of `/state/plan.json`. What it sees of the boot loader, and how each base ended, are lines on standard
 * output that begin with `REHEARSAL`.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { ManifestSchema, PartitionRole } from '@iotdh/proto/update/v1';
import { runTool } from '../../host/run-tool.ts';
import type { Clock } from '../../install/clock.ts';
import { settingsFrom } from '../../settings/read-settings.ts';
import { createBaseInstaller } from '../base-installer.ts';
import { createMachineSlots } from '../machine-slots.ts';
import { stepRecordsIn } from '../step-record.ts';

/** One base of the plan; its contents are files of `/state/contents`, by their digests. */
export type PlannedBase = { name: string; partitions: { name: string; digest: string }[] };

const say = (what: object) => process.stdout.write(`REHEARSAL ${JSON.stringify(what)}\n`);
const read = (path: string) => readFileSync(path, 'utf8').trim();

const vendor = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
const efivars = '/sys/firmware/efi/efivars';
const variable = (name: string) => {
  const path = join(efivars, `${name}-${vendor}`);
  return existsSync(path) ? readFileSync(path).subarray(4).toString('base64') : null;
};

/** Everything that the boot loader goes by, raw, so that it can be replayed. */
const boot = () => ({
  entries: readdirSync('/esp/loader/entries').sort(),
  commandLine: read('/proc/cmdline'),
  variables: Object.fromEntries(
    ['LoaderInfo', 'LoaderFeatures', 'LoaderEntrySelected', 'LoaderEntryDefault', 'LoaderEntryOneShot'].map(
      (name) => [name, variable(name)],
    ),
  ),
});

const [system = ''] = process.argv.slice(2);
say({ what: 'arrived', system, ...boot() });

const { slots: slotSettings, ...settings } = settingsFrom(JSON.parse(read('/state/config.json')));
if (slotSettings === null || slotSettings.kind === 'host-service') throw new Error('no slots are configured');
const bootId = async () => read('/proc/sys/kernel/random/boot_id');
const clock: Clock = {
  now: Date.now,
  monotonicMs: () => uptime() * 1000,
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
const down = new AbortController();
const slots = createMachineSlots({
  settings: { ...settings, slots: slotSettings },
  ...{ folder: '/state', keptFolders: [settings.dataDir], bootId, run: runTool },
  surroundings: { clock, environment: {}, redact: (text) => text },
});
const installer = createBaseInstaller({
  slots,
  host: {
    bootId,
    async restartMachine() {
      say({ what: 'leaves', system, ...boot() });
      const problem = await runTool('/bin/busybox', ['reboot', '-f']);
      return problem === null ? { kind: 'done' } : { kind: 'failed', reason: problem };
    },
  },
  prove: async () => ({ kind: system.endsWith('fails') ? 'failed' : 'passed', steps: [] }),
  products: { set: async () => undefined },
  records: stepRecordsIn('/state'),
  clock,
});

for (const { name, partitions } of JSON.parse(read('/state/plan.json')) as PlannedBase[]) {
  if (existsSync(`/state/${name}.ended`)) continue;
  const roled = partitions.map((partition) => ({
    name: partition.name,
    digest: Buffer.from(partition.digest, 'hex'),
    role: PartitionRole.BOOT,
  }));
  const job = {
    manifest: create(ManifestSchema, { content: { case: 'base', value: { partitions: roled } } }),
    manifestDigest: name,
    contentPath: (digest: string) => join('/state/contents', digest),
    signal: down.signal,
    progress: () => undefined,
  };
  const applied = `/state/${name}.applied`;
  if (!existsSync(applied)) {
    const started = performance.now();
    const end = await installer.applyBase({ ...job, id: `${name}-apply` });
    if (end.kind !== 'done') throw new Error(`${name}: ${JSON.stringify(end)}`);
    say({ what: 'written', base: name, ms: Math.round(performance.now() - started) });
    writeFileSync(applied, '', { flush: true });
  }
  const end = await installer.arm({ ...job, id: `${name}-arm` });
  if (end.kind !== 'event') throw new Error(`${name}: ${JSON.stringify(end)}`);
  writeFileSync(`/state/${name}.ended`, '', { flush: true });
  say({ what: 'ended', base: name, proven: end.event.proven, system, ...boot() });
}
say({ what: 'done', ...(await slots.inspect()) });
