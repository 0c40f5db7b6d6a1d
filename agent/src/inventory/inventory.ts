/** What is installed on this machine, complete, as the contract reports it. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type InstalledProduct,
  InstalledProductSchema,
  ProductKind,
  type ReportVersionRequest,
} from '@iotdh/proto/agent/v1';
import { Architecture, OperatingSystem, type Platform, PlatformSchema } from '@iotdh/proto/update/v1';
import { asVersion, type MachineFacts } from './machine-facts.ts';
import type { ProductRegister, ProductKind as RegisterKind } from './products.ts';

export type Inventory = {
  /** Never empty: the agent itself is always there. */
  products(): InstalledProduct[];
  /** The versions of a product that the machine is known to have had, oldest first, the one of now the last; empty: not installed. */
  historyOf(product: string): readonly string[];
  platform(): Promise<Platform>;
};

export type InventoryOptions = {
  agentVersion: string;
  facts: Pick<MachineFacts, 'platform' | 'operatingSystemProduct'>;
  register: Pick<ProductRegister, 'all'>;
  /** What the host application said last. */
  hostVersion: () => ReportVersionRequest | null;
};

const kinds: Record<RegisterKind, ProductKind> = {
  host_application: ProductKind.HOST_APPLICATION,
  managed: ProductKind.MANAGED,
  third_party: ProductKind.THIRD_PARTY,
};
const operatingSystems = { windows: OperatingSystem.WINDOWS, linux: OperatingSystem.LINUX };
const architectures = { x64: Architecture.X64, arm64: Architecture.ARM64 };
const maxProducts = 500;

export function createInventory({ agentVersion, facts, register, hostVersion }: InventoryOptions): Inventory {
  function products(): InstalledProduct[] {
    const system = facts.operatingSystemProduct();
    const found = [
      installed(ProductKind.AGENT, 'IoT Agent', agentVersion),
      installed(ProductKind.OPERATING_SYSTEM, system.product, system.version),
      ...register
        .all()
        .map(({ kind, product, version, installTimeMs, earlier }) =>
          installed(kinds[kind], product, version, installTimeMs, earlier),
        ),
      ...(hostVersion()?.parts ?? []).map(({ product, version }) =>
        installed(ProductKind.THIRD_PARTY, product, version),
      ),
    ];
    const named = new Map(found.toReversed().map((entry) => [entry.product?.product, entry]));
    return [...named.values()].reverse().slice(0, maxProducts);
  }

  return {
    products,
    historyOf(name) {
      const found = products().find(({ product }) => product?.product === name);
      return found?.product === undefined ? [] : [...found.earlierVersions, found.product.version];
    },
    async platform() {
      const { operatingSystem, architecture, operatingSystemVersion, model } = await facts.platform();
      return create(PlatformSchema, {
        operatingSystem:
          operatingSystem === null ? OperatingSystem.UNSPECIFIED : operatingSystems[operatingSystem],
        architecture: architecture === null ? Architecture.UNSPECIFIED : architectures[architecture],
        operatingSystemVersion,
        model,
      });
    },
  };
}

function installed(
  kind: ProductKind,
  product: string,
  version: string,
  timeMs?: number,
  earlier: readonly string[] = [],
): InstalledProduct {
  return create(InstalledProductSchema, {
    kind,
    product: { product, version: asVersion(version) },
    earlierVersions: earlier.map(asVersion),
    ...(timeMs === undefined ? {} : { installTime: timestampFromMs(timeMs) }),
  });
}
