/** What changes this machine, composed: the installers of a PATCH and of a BASE, and what they ask of the machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@iotdh/proto/update/v1';
import type { openConnections } from './connections/connections.ts';
import type { ReplaceableBus } from './connections/replaceable-bus.ts';
import { makePrivateFolder } from './durable/document.ts';
import { createNativeOperations } from './host-service/native.ts';
import type { HostOperations } from './host-service/operations.ts';
import { createRemoteOperations } from './host-service/remote.ts';
import { runChecks } from './install/checks.ts';
import { createInstaller } from './install/create-installer.ts';
import { createInstalledVersion } from './install/installed-version.ts';
import type { Installer, Preflight } from './install/installer.ts';
import type { MachineFacts as InstallerFacts } from './install/ports.ts';
import { createSandbox } from './install/sandbox.ts';
import type { Inventory } from './inventory/inventory.ts';
import type { MachineFacts } from './inventory/machine-facts.ts';
import type { ProductRegister } from './inventory/products.ts';
import { sleep } from './machine/sleep.ts';
import { redactText } from './redaction/redact.ts';
import { kernelBootId } from './settings/read-settings.ts';
import type { Settings } from './settings/settings.ts';
import { type BaseInstaller, createBaseInstaller } from './slots/base-installer.ts';
import { createProof } from './slots/prove-system.ts';
import type { HeldImage } from './slots/slots.ts';
import { stepRecordsIn } from './slots/step-record.ts';
import type { Clock } from './transfer/clock.ts';

export type InstallersOptions = {
  settings: Settings;
  environment: Readonly<Record<string, string | undefined>>;
  facts: MachineFacts & InstallerFacts;
  products: ProductRegister;
  inventory: Inventory;
  connections: ReturnType<typeof openConnections>;
  bus: Pick<ReplaceableBus, 'opens'>;
  clock: Clock;
};

export type Installers = {
  patch: Installer;
  /** Null: this machine has no slots. */
  base: BaseInstaller | null;
  /** What the slots hold, for the transfer to look at; empty without slots. */
  images(): Promise<HeldImage[]>;
  /** Whether this machine has and is what a manifest asks for; `carryBytes` are still to be written to the agent's folder. */
  preflight(manifest: Manifest, carryBytes: number): Promise<Preflight>;
};

export function createInstallers(options: InstallersOptions): Installers {
  const { patch, base, images } = bothInstallers(options);
  return {
    ...{ patch, base, images },
    async preflight(manifest, carryBytes) {
      if (manifest.content.case === 'patch') return patch.preflight(manifest, carryBytes);
      if (base === null) return { kind: 'unmet', reason: 'this machine has no slots' };
      const partitions = await base.preflight(manifest);
      return partitions.kind === 'unmet' ? partitions : patch.requirements(manifest, carryBytes);
    },
  };
}

function bothInstallers(options: InstallersOptions): Pick<Installers, 'patch' | 'base' | 'images'> {
  const { settings, environment, facts, products, inventory, connections, bus, clock } = options;
  const stateFolder = join(settings.dataDir, 'install');
  const baseFolder = join(settings.dataDir, 'base');
  makePrivateFolder(stateFolder);
  if (settings.slots !== null) makePrivateFolder(baseFolder);
  const host = operationsOf(options, { stateFolder, baseFolder });
  const { apt, windows, slots } = host;
  const patch = createInstaller({
    ...{ stateFolder, host, connections, products, inventory, environment, clock },
    facts: { ...facts, onMainsPower: host.onMainsPower },
    roots: settings.roots,
    updateServices: { ...(apt && { apt }), ...(windows && { windows }) },
    redact: redactText,
  });
  if (settings.slots === null || slots === undefined) return { patch, base: null, images: async () => [] };

  const prove = createProof({
    sandbox: createSandbox({ folder: join(baseFolder, 'scripts'), environment, clock, redact: redactText }),
    versionOf: createInstalledVersion(inventory, apt),
    ...{ runChecks, clock, uptimeMs: host.uptimeMs, connected: bus.opens },
  });
  const records = stepRecordsIn(baseFolder);
  const base = createBaseInstaller({ slots, host, prove, products, records, clock });
  return { patch, base, images: slots.images };
}

/** The host service's, where there is one; else this process does it itself. */
function operationsOf(
  { settings, environment, clock }: InstallersOptions,
  { stateFolder, baseFolder }: { stateFolder: string; baseFolder: string },
): HostOperations {
  const { hostService, slots, dataDir, bootIdFile } = settings;
  if (hostService !== null) {
    const pem = (path: string) => readFileSync(path, 'utf8');
    const { socket, caFile, certFile, keyFile } = hostService;
    return createRemoteOperations({
      ...{ socket, dataDir, sleep },
      ...{ ca: pem(caFile), cert: pem(certFile), key: pem(keyFile) },
    });
  }
  const own = slots === null || slots.kind === 'host-service' ? null : slots;
  return createNativeOperations({
    ...{ ...settings, environment, clock, redact: redactText, outputFolder: stateFolder },
    kernelBoot: bootIdFile === kernelBootId,
    allows: { apt: true, windows: true },
    slots: own && {
      settings: { partitions: settings.partitions, slots: own },
      ...{ folder: baseFolder, keptFolders: [dataDir] },
    },
  });
}
