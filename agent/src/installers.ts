/** What changes this machine, composed: the installers of a PATCH and of a BASE, and what they ask of the machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@iotdh/proto/update/v1';
import type { openConnections } from './connections/connections.ts';
import type { ReplaceableBus } from './connections/replaceable-bus.ts';
import { makePrivateFolder } from './durable/document.ts';
import { createHost } from './host/host.ts';
import { runTool } from './host/run-tool.ts';
import type { HostOperations } from './host-service/operations.ts';
import { createRemoteOperations } from './host-service/remote.ts';
import { createApt } from './install/apt/apt.ts';
import { runChecks } from './install/checks.ts';
import { createInstaller } from './install/create-installer.ts';
import type { Installer, Preflight } from './install/installer.ts';
import type { MachineFacts as InstallerFacts, UpdateServices } from './install/ports.ts';
import { createSandbox } from './install/sandbox.ts';
import { createWindowsUpdate } from './install/windows/windows-update.ts';
import type { MachineFacts } from './inventory/machine-facts.ts';
import type { ProductRegister } from './inventory/products.ts';
import { sleep } from './machine/sleep.ts';
import { redactText } from './redaction/redact.ts';
import { kernelBootId } from './settings/read-settings.ts';
import type { Settings } from './settings/settings.ts';
import { type BaseInstaller, createBaseInstaller } from './slots/base-installer.ts';
import { createMachineSlots } from './slots/machine-slots.ts';
import { createProof } from './slots/prove-system.ts';
import { stepRecordsIn } from './slots/step-record.ts';
import type { Clock } from './transfer/clock.ts';

export type InstallersOptions = {
  settings: Settings;
  environment: Readonly<Record<string, string | undefined>>;
  facts: MachineFacts & InstallerFacts;
  products: ProductRegister;
  connections: ReturnType<typeof openConnections>;
  bus: Pick<ReplaceableBus, 'opens'>;
  clock: Clock;
};

export type Installers = {
  patch: Installer;
  /** Null: this machine has no slots. */
  base: BaseInstaller | null;
  /** Whether this machine has and is what a manifest asks for; `carryBytes` are still to be written to the agent's folder. */
  preflight(manifest: Manifest, carryBytes: number): Promise<Preflight>;
};

export function createInstallers(options: InstallersOptions): Installers {
  const { patch, base } = bothInstallers(options);
  return {
    ...{ patch, base },
    async preflight(manifest, carryBytes) {
      if (manifest.content.case === 'patch') return patch.preflight(manifest, carryBytes);
      if (base === null) return { kind: 'unmet', reason: 'this machine has no slots' };
      const partitions = await base.preflight(manifest);
      return partitions.kind === 'unmet' ? partitions : patch.requirements(manifest, carryBytes);
    },
  };
}

function bothInstallers(options: InstallersOptions): Pick<Installers, 'patch' | 'base'> {
  const { settings, environment, facts, products, connections, bus, clock } = options;
  const { bootIdFile } = settings;
  const remote = settings.hostService === null ? null : remoteOperations(settings.hostService);
  const host: HostOperations = remote ?? createHost({ ...settings, kernelBoot: bootIdFile === kernelBootId });
  const stateFolder = join(settings.dataDir, 'install');
  makePrivateFolder(stateFolder);
  const patch = createInstaller({
    ...{ stateFolder, host, connections, products, facts, environment, clock },
    roots: settings.roots,
    updateServices: remote?.apt === undefined ? updateServices(stateFolder, options) : { apt: remote.apt },
    redact: redactText,
  });
  if (settings.slots === null) return { patch, base: null };

  const baseFolder = join(settings.dataDir, 'base');
  makePrivateFolder(baseFolder);
  const prove = createProof({
    sandbox: createSandbox({ folder: join(baseFolder, 'scripts'), environment, clock, redact: redactText }),
    versionOf: (product) => products.versionOf(product),
    ...{ runChecks, clock, uptimeMs: host.uptimeMs, connected: bus.opens },
  });
  const slots = createMachineSlots({
    settings: { ...settings, slots: settings.slots },
    ...{ folder: baseFolder, bootId: host.bootId, run: runTool },
    surroundings: { environment, clock, redact: redactText },
  });
  const records = stepRecordsIn(baseFolder);
  return { patch, base: createBaseInstaller({ slots, host, prove, products, records, clock }) };
}

function remoteOperations({ socket, caFile, certFile, keyFile }: NonNullable<Settings['hostService']>) {
  const pem = (path: string) => readFileSync(path, 'utf8');
  const files = { ca: pem(caFile), cert: pem(certFile), key: pem(keyFile) };
  return createRemoteOperations({ socket, ...files, sleep });
}

/** Those that the machine has; components that need another are refused before a byte of them moves. */
function updateServices(folder: string, { environment, clock }: InstallersOptions): UpdateServices {
  const surroundings = { environment, clock, redact: redactText };
  if (process.platform === 'win32') return { windows: createWindowsUpdate(surroundings) };
  if (!existsSync('/usr/bin/apt-get')) return {};
  return { apt: createApt({ ...surroundings, outputPath: join(folder, 'apt-output') }) };
}
