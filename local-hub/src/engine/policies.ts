/**
 * Shared access policies of the hub: named keys with rights. The five that Azure creates exist from the first start,
 * with random keys that are kept.
 */

export type AccessRight = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect';

export type SharedAccessPolicy = {
  name: string;
  primaryKey: string;
  secondaryKey: string;
  rights: readonly AccessRight[];
};

export type Policies = {
  get(name: string): SharedAccessPolicy | undefined;
  list(): SharedAccessPolicy[];
};
