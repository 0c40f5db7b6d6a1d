/**
 * Shared access policies of the hub: named keys with rights. The five that Azure creates exist from the first start,
 * with random keys that are kept.
 */
import { randomBytes } from 'node:crypto';
import type { Store } from '../store/store.ts';
import { openCollection } from './collection.ts';

export type AccessRight = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect';

export type SharedAccessPolicy = {
  name: string;
  /** Base64 of 32 random bytes. */
  primaryKey: string;
  secondaryKey: string;
  rights: readonly AccessRight[];
};

export type Policies = {
  /** Policy names are compared without case. */
  get(name: string): SharedAccessPolicy | undefined;
  /** The one with all rights first. */
  list(): readonly SharedAccessPolicy[];
};

export type PoliciesOptions = {
  store: Pick<Store, 'documents'>;
  /** Random bytes for keys, replaced in tests only. */
  random?: (byteCount: number) => Buffer;
};

/** Devguide "Control access to IoT Hub by using shared access signatures", built-in policies. */
const builtIn: Record<string, readonly AccessRight[]> = {
  iothubowner: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'],
  service: ['ServiceConnect'],
  device: ['DeviceConnect'],
  registryRead: ['RegistryRead'],
  registryReadWrite: ['RegistryRead', 'RegistryWrite'],
};

const keyBytes = 32;

/** A new symmetric key as base64 text. */
export function generateKey(random: (byteCount: number) => Buffer = randomBytes): string {
  return random(keyBytes).toString('base64');
}

/** Opens the policies; resolves when the keys of new ones are on disk. */
export async function openPolicies({ store, random = randomBytes }: PoliciesOptions): Promise<Policies> {
  const stored = openCollection<SharedAccessPolicy>(store.documents, 'policy');
  const policies = Object.entries(builtIn).map(([name, rights]) => {
    const policy = { name, primaryKey: generateKey(random), secondaryKey: generateKey(random), rights };
    return stored.get(name) ?? policy;
  });
  const created = policies.filter(({ name }) => !stored.has(name));
  await Promise.all(created.map((policy) => stored.put(policy.name, policy)));
  const byName = new Map(policies.map((policy) => [policy.name.toLowerCase(), policy]));
  return {
    get: (name) => byName.get(name.toLowerCase()),
    list: () => policies,
  };
}
