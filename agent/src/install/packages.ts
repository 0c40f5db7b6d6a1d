/** Components b and c on Linux: packages that apt brings to exact versions, and back. */
import { join } from 'node:path';
import { PackageManager, type PackageSet } from '@iotdh/proto/update/v1';
import { type ComponentContext, type ComponentInstaller, done } from './component-installer.ts';
import { readIfThere, writeDurably } from './durable.ts';
import type { Apt, PackageVersion } from './ports.ts';

export function createPackagesComponent(
  set: PackageSet,
  options: { apt: Apt | undefined; timeLimitMs: number },
  context: ComponentContext,
): ComponentInstaller {
  const { apt, timeLimitMs } = options;
  const note = join(context.notes, 'packages.json');
  const packages: PackageVersion[] = set.packages.map(({ name, version }) => ({ name, version }));

  function refuse(): string | null {
    if (set.manager === PackageManager.DNF) return 'this agent does not drive dnf yet; it drives apt';
    if (set.manager !== PackageManager.APT) return 'this agent does not know the package manager';
    return apt === undefined ? 'this machine has no apt' : null;
  }

  return {
    atomic: false,
    notRestorable: null,
    refusal: async () => refuse() ?? (await apt?.refusal?.()) ?? null,
    stage: () => Promise.resolve(done),
    async apply(signal, _again, operation) {
      if (apt === undefined) return { kind: 'failed', reason: 'this machine has no apt' };
      if ((await readIfThere(note)) === null) {
        const simulated = await apt.simulate(packages, { timeLimitMs, signal });
        if (simulated.kind !== 'simulated') return simulated;
        await writeDurably(note, JSON.stringify(simulated.before));
        context.failPoint('version_noted', context.id);
      }
      const limits = { allowDowngrades: false, timeLimitMs, signal, operation };
      const end = await apt.install(packages, limits);
      if (end.kind !== 'done') return end;
      for (const { name, version } of packages) {
        const found = await apt.versionOf(name, signal);
        if (signal.aborted) return { kind: 'stopped' };
        if (found !== version) {
          const reason = `apt reported success, but ${name} is ${found ?? 'not installed'} instead of ${version}`;
          return { ...end, kind: 'failed', reason };
        }
      }
      return end;
    },
    async restore(signal, operation) {
      const noted = await readIfThere(note);
      if (noted === null) return done;
      if (apt === undefined) return { kind: 'failed', reason: 'this machine has no apt' };
      const before = JSON.parse(noted) as PackageVersion[];
      if (before.length === 0) return done;
      return await apt.install(before, { allowDowngrades: true, timeLimitMs, signal, operation });
    },
    letGo: () => Promise.resolve(),
  };
}
