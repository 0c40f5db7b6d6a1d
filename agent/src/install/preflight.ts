/** What a manifest asks of a machine, and whether it has it. */
import type { Manifest, Platform, Requirements } from '@iotdh/proto/update/v1';
import { Architecture, OperatingSystem } from '@iotdh/proto/update/v1';
import { fileSetOf } from './components.ts';
import { hexOf } from './files/content.ts';
import type { MachineFacts } from './ports.ts';
import { compareVersions } from './versions.ts';

/** `passing`: it may be met later without anything being changed in the manifest or on the machine. */
export type Unmet = { reason: string; passing: boolean };

export type PreflightOptions = {
  facts: MachineFacts;
  versionOf(product: string): Promise<string | null>;
  /** The folder of an install root, by its name. */
  rootPath(root: string): string | undefined;
  /** Where the agent keeps its own files. */
  stateFolder: string;
};

/** The first requirement that is not met; null when all are. */
export async function findUnmet(manifest: Manifest, options: PreflightOptions): Promise<Unmet | null> {
  const { requirements } = manifest;
  return (
    (requirements === undefined ? null : await checkRequirements(requirements, manifest, options)) ??
    (await checkDisk(manifest, options))
  );
}

async function checkRequirements(
  requirements: Requirements,
  manifest: Manifest,
  { facts, versionOf }: PreflightOptions,
): Promise<Unmet | null> {
  const lasting = (reason: string): Unmet => ({ reason, passing: false });
  const { platforms, versionFloors, mustPassThrough, validatedCombinations } = requirements;

  if (platforms.length > 0) {
    const machine = await facts.platform();
    if (!platforms.some((platform) => matches(platform, machine))) {
      const { operatingSystem, architecture, operatingSystemVersion, model } = machine;
      const words = [operatingSystem, operatingSystemVersion, architecture, model].filter(Boolean).join(' ');
      return lasting(`it is not made for this machine (${words})`);
    }
  }
  for (const { product, version } of versionFloors) {
    const found = await versionOf(product);
    if (found === null || compareVersions(found, version) < 0) {
      return lasting(`it needs ${product} ${version} or higher; ${found ?? 'none'} is installed`);
    }
  }
  for (const { product, version } of mustPassThrough) {
    const found = await versionOf(product);
    if (found === null || compareVersions(found, version) < 0) {
      return lasting(`${product} ${version} has to come first; ${found ?? 'none'} is installed`);
    }
  }
  if (validatedCombinations.length > 0) {
    const brought = productsAfter(manifest);
    const fits = await Promise.all(
      validatedCombinations.map(async ({ products }) => {
        for (const { product, version } of products) {
          if ((brought.get(product) ?? (await versionOf(product))) !== version) return false;
        }
        return true;
      }),
    );
    if (!fits.includes(true))
      return lasting('it would leave products at versions that were not validated together');
  }
  if (requirements.freeMemoryBytes > 0n) {
    const free = await facts.freeMemoryBytes();
    if (BigInt(free) < requirements.freeMemoryBytes) {
      return {
        reason: `it needs ${requirements.freeMemoryBytes} bytes of memory; ${free} are free`,
        passing: true,
      };
    }
  }
  if (requirements.mainsPower && !(await facts.onMainsPower())) {
    return { reason: 'it needs mains power, and the machine is on battery', passing: true };
  }
  return null;
}

function matches(wanted: Platform, machine: Awaited<ReturnType<MachineFacts['platform']>>): boolean {
  const systems = { windows: OperatingSystem.WINDOWS, linux: OperatingSystem.LINUX };
  const architectures = { x64: Architecture.X64, arm64: Architecture.ARM64 };
  const { operatingSystem, architecture } = machine;
  return (
    (wanted.operatingSystem === OperatingSystem.UNSPECIFIED ||
      (operatingSystem !== null && wanted.operatingSystem === systems[operatingSystem])) &&
    (wanted.architecture === Architecture.UNSPECIFIED ||
      (architecture !== null && wanted.architecture === architectures[architecture])) &&
    (wanted.operatingSystemVersion === '' ||
      wanted.operatingSystemVersion === machine.operatingSystemVersion) &&
    (wanted.model === '' || wanted.model === machine.model)
  );
}

/** The versions that the components of a manifest bring. */
function productsAfter({ content }: Manifest): Map<string, string> {
  const brought = new Map<string, string>();
  for (const { kind } of content.case === 'patch' ? content.value.components : []) {
    if (
      kind.case === 'hostApplication' ||
      kind.case === 'thirdPartyApplication' ||
      kind.case === 'managedProduct'
    ) {
      if (kind.value.product !== undefined)
        brought.set(kind.value.product.product, kind.value.product.version);
    }
  }
  return brought;
}

/** Room on every file system that files go to: what the manifest says, or its contents for that file system, twice. */
async function checkDisk(manifest: Manifest, options: PreflightOptions): Promise<Unmet | null> {
  const sizes = new Map<string, bigint>();
  for (const { contents } of manifest.objects) {
    for (const { digest, size } of contents) sizes.set(hexOf(digest), size);
  }
  const stated = manifest.requirements?.freeDiskBytes ?? 0n;
  const needed = new Map<string, { path: string; bytes: bigint; free: number }>();
  async function need(path: string, bytes: bigint): Promise<void> {
    const { fileSystem, bytes: free } = await options.facts.freeDisk(path);
    const before = needed.get(fileSystem)?.bytes ?? 0n;
    needed.set(fileSystem, { path, bytes: before + bytes, free });
  }
  for (const component of manifest.content.case === 'patch' ? manifest.content.value.components : []) {
    const files = fileSetOf(component);
    const path = files === undefined ? undefined : options.rootPath(files.root);
    if (files === undefined || path === undefined) continue;
    let bytes = 0n;
    for (const { digest } of files.files) bytes += sizes.get(hexOf(digest)) ?? 0n;
    await need(path, 2n * bytes);
  }
  if (needed.size === 0) await need(options.stateFolder, 0n);
  for (const { path, bytes, free } of needed.values()) {
    const wanted = stated > 0n ? stated : bytes;
    if (BigInt(free) < wanted) {
      return { reason: `it needs ${wanted} bytes free where ${path} is; ${free} are`, passing: true };
    }
  }
  return null;
}
