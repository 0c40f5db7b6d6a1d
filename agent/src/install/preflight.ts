/**
 * What a manifest asks of a machine, and whether it has it. Everything that is not met is found at once, so that nobody mends one
 * thing only to be told of the next.
 */
import type { Manifest, Package, Platform, ProductVersion, Requirements } from '@iotdh/proto/update/v1';
import { Architecture, OperatingSystem } from '@iotdh/proto/update/v1';
import { compareVersions, firstMissing } from '@iotdh/proto/versions';
import { type DiskOptions, findShortDisks } from './disk-room.ts';
import type { MachineFacts } from './ports.ts';

/** `passing`: it may be met later without anything being changed in the manifest or on the machine. */
export type Unmet = { reason: string; passing: boolean };

export type PreflightOptions = DiskOptions & {
  versionOf(product: string): Promise<string | null>;
  /** The versions that the machine is known to have had, oldest first, the one of now the last. */
  historyOf(product: string): readonly string[];
  /** As the agent's register has it, which a BASE does not replace. */
  registeredVersionOf(product: string): Promise<string | null>;
};

const lasting = (reason: string): Unmet => ({ reason, passing: false });
const passing = (reason: string): Unmet => ({ reason, passing: true });

/** Every requirement that is not met, in the order of the contract. */
export async function findUnmet(manifest: Manifest, options: PreflightOptions): Promise<Unmet[]> {
  const { requirements } = manifest;
  return [
    ...(requirements === undefined ? [] : await unmetIn(requirements, manifest, options)),
    ...(await findShortDisks(manifest, options)).map(passing),
  ];
}

/** One answer of several: it passes only when all of them may. Null: there is none. */
export function together(unmet: readonly Unmet[]): Unmet | null {
  if (unmet.length === 0) return null;
  return {
    reason: unmet.map(({ reason }) => reason).join('; '),
    passing: unmet.every((one) => one.passing),
  };
}

async function unmetIn(
  requirements: Requirements,
  manifest: Manifest,
  options: PreflightOptions,
): Promise<Unmet[]> {
  const { facts, versionOf } = options;
  const unmet: Unmet[] = [];
  const { platforms, versionFloors, mustPassThrough } = requirements;

  if (platforms.length > 0) {
    const machine = await facts.platform();
    if (!platforms.some((platform) => matches(platform, machine))) {
      const { operatingSystem, architecture, operatingSystemVersion, model } = machine;
      const words = [operatingSystem, operatingSystemVersion, architecture, model].filter(Boolean).join(' ');
      unmet.push(lasting(`it is not made for this machine (${words}): assign the pack that is`));
    }
  }
  for (const { product, version } of versionFloors) {
    const found = await versionOf(product);
    if (found === null || compareVersions(found, version) < 0) {
      unmet.push(
        lasting(
          `it needs ${product} ${version} or higher; ${found ?? 'none'} is installed: bring that first`,
        ),
      );
    }
  }
  const histories = new Map<string, readonly string[]>();
  for (const { product } of mustPassThrough) histories.set(product, await historyOf(product, options));
  const step = firstMissing(mustPassThrough, (product) => histories.get(product) ?? []);
  if (step !== null) {
    const had = histories.get(step.product)?.join(', ') || 'none';
    unmet.push(lasting(`${step.product} ${step.version} has to come first; the machine has had ${had}`));
  }
  const mix = await unvalidated(requirements, manifest, options);
  if (mix !== null) unmet.push(lasting(mix));
  if (requirements.freeMemoryBytes > 0n) {
    const free = await facts.freeMemoryBytes();
    if (BigInt(free) < requirements.freeMemoryBytes) {
      unmet.push(
        passing(`it needs ${requirements.freeMemoryBytes} bytes of memory; ${free} are free: close programs`),
      );
    }
  }
  if (requirements.mainsPower && !(await facts.onMainsPower())) {
    unmet.push(passing('it needs mains power, and the machine is on battery: plug it in'));
  }
  return unmet;
}

/** What apt alone knows has no history but its version of now. */
async function historyOf(product: string, options: PreflightOptions): Promise<readonly string[]> {
  const known = options.historyOf(product);
  if (known.length > 0) return known;
  const now = await options.versionOf(product);
  return now === null ? [] : [now];
}

/** Judged on the inventory as it will be afterwards. Null: one of the combinations fits, or none is demanded. */
async function unvalidated(
  { validatedCombinations }: Requirements,
  manifest: Manifest,
  { facts, versionOf, registeredVersionOf }: PreflightOptions,
): Promise<string | null> {
  if (validatedCombinations.length === 0) return null;
  const brought = broughtBy(manifest, facts.operatingSystemProduct().product);
  // A BASE replaces the operating system and its packages: of those, only what it names is known.
  const kept = manifest.content.case === 'base' ? registeredVersionOf : versionOf;
  const after = new Map<string, string | null>();
  for (const { product } of validatedCombinations.flatMap(({ products }) => products)) {
    after.set(product, brought.get(product) ?? (await kept(product)));
  }
  const fits = ({ product, version }: ProductVersion): boolean => {
    const found = after.get(product) ?? null;
    return found !== null && compareVersions(found, version) === 0;
  };
  if (validatedCombinations.some(({ products }) => products.every(fits))) return null;
  const would = [...after].map(([product, version]) => `${product} ${version ?? '(none)'}`).join(' with ');
  const [nearest] = validatedCombinations.toSorted(
    (a, b) => b.products.filter(fits).length - a.products.filter(fits).length,
  );
  const wanted = nearest?.products.map(({ product, version }) => `${product} ${version}`).join(' with ');
  return `it would leave ${would}, which were not validated together; the nearest that were: ${wanted}`;
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

/** The versions that a manifest brings, packages and the build of the operating system among them. */
function broughtBy({ content }: Manifest, operatingSystem: string): Map<string, string> {
  const products: (ProductVersion | undefined)[] = [];
  const packages: Package[] = [];
  const brought = new Map<string, string>();
  if (content.case === 'base') products.push(...content.value.products);
  for (const { kind } of content.case === 'patch' ? content.value.components : []) {
    switch (kind.case) {
      case 'hostApplication':
      case 'thirdPartyApplication':
        products.push(kind.value.product);
        break;
      case 'managedProduct': {
        const { product, source } = kind.value;
        products.push(product);
        if (source.case === 'packages') packages.push(...source.value.packages);
        break;
      }
      case 'operatingSystemBuild': {
        const { target } = kind.value;
        if (target.case === 'linux') packages.push(...target.value.packages);
        if (target.case === 'windows') brought.set(operatingSystem, target.value.buildTag);
      }
    }
  }
  for (const { name, version } of packages) brought.set(name, version);
  // Last, because the inventory answers before apt does.
  for (const one of products) if (one !== undefined) brought.set(one.product, one.version);
  return brought;
}
