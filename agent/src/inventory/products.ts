/** The register of what is installed: written by the installers and by what the host application says about itself. */
import { type Document, openDocument } from '../durable/document.ts';

export type ProductKind = 'host_application' | 'managed' | 'third_party';
export type Product = {
  kind: ProductKind;
  product: string;
  version: string;
  installTimeMs: number;
  /** The versions before, oldest first; absent in a register of before. */
  earlier?: readonly string[];
};

export type ProductRegister = {
  all(): readonly Product[];
  versionOf(product: string): Promise<string | null>;
  /** Durable when it resolves; null removes the product. `kind` is for a product that is new here: default third-party. */
  set(product: string, version: string | null, kind?: ProductKind): Promise<void>;
};

export type ProductsOptions = {
  path: string;
  now: () => number;
  /** Told after each change. */
  onChange: () => void;
  onDamaged: (path: string) => void;
};

/** A report holds 500 products at most; the operating system, the agent and parts of the host application need some. */
const maxProducts = 400;
const maxEarlier = 32;

export function openProducts({ path, now, onChange, onDamaged }: ProductsOptions): ProductRegister {
  const document: Document<readonly Product[]> = openDocument<readonly Product[]>({
    path,
    read: (parsed) => (Array.isArray(parsed) && parsed.every(isProduct) ? parsed : null),
    initial: [],
    onDamaged,
  });
  const find = (product: string) => document.value.find((entry) => entry.product === product);
  return {
    all: () => document.value,
    versionOf: async (product) => find(product)?.version ?? null,
    async set(product, version, kind) {
      const before = find(product);
      if ((before?.version ?? null) === version && (kind === undefined || before?.kind === kind)) return;
      const others = document.value.filter((entry) => entry !== before);
      const entry =
        version === null
          ? []
          : [
              {
                kind: kind ?? before?.kind ?? 'third_party',
                product,
                version,
                installTimeMs: now(),
                earlier: earlierThan(version, before),
              } as const,
            ];
      document.write([...others, ...entry].slice(-maxProducts));
      onChange();
    },
  };
}

/** The version before joins them, unless this is a step back to where it came from: what was taken back was never had. */
function earlierThan(version: string, before: Product | undefined): readonly string[] {
  const earlier = before?.earlier ?? [];
  if (before === undefined || before.version === version) return earlier;
  if (earlier.at(-1) === version) return earlier.slice(0, -1);
  return [...earlier, before.version].slice(-maxEarlier);
}

function isProduct(value: unknown): value is Product {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, product, version, installTimeMs } = value as Record<string, unknown>;
  const texts = [kind, product, version].every((text) => typeof text === 'string');
  const { earlier = [] } = value as Record<string, unknown>;
  const areVersions = Array.isArray(earlier) && earlier.every((version) => typeof version === 'string');
  return texts && typeof installTimeMs === 'number' && areVersions;
}
