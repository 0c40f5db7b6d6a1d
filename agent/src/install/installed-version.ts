/** At which version a product is installed. */
import type { Apt, Inventory } from './ports.ts';

/** Null: it is not installed. */
export type InstalledVersion = (product: string, signal: AbortSignal) => Promise<string | null>;

/** The inventory's answer first; packages that no update has brought are known to apt alone. */
export function createInstalledVersion(inventory: Inventory, apt: Apt | undefined): InstalledVersion {
  return async (product, signal) =>
    inventory.historyOf(product).at(-1) ?? (await apt?.versionOf(product, signal)) ?? null;
}
