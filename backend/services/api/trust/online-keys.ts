/**
 * The keys with which the service signs which targets are the newest. Whoever has them can withhold what authors signed, and
 * make a device believe a wrong time; they cannot sign a manifest.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  generatePrivateKey,
  keySigner,
  openKeyVaultSigner,
  readKeyFile,
  type Signer,
  writeKeyFile,
} from '@iotdh/trust/author';
import { createWorkloadIdentity } from './workload-identity.ts';

/** Where the private halves are is behind this: files of a folder, or Azure Key Vault. */
export type OnlineKeys = { snapshot: Signer; timestamp: Signer };

export type OnlineKeySettings = Readonly<
  Record<
    'trustKeyFolder' | 'snapshotKeyId' | 'timestampKeyId' | 'tenantId' | 'clientId' | 'federatedTokenFile',
    string | undefined
  > & { authorityHost: string }
>;

/** Throws for settings that name neither or half of a vault, and for keys that cannot be had. */
export async function openOnlineKeys(
  settings: OnlineKeySettings,
  ways: { now: () => number; fetch?: typeof fetch },
): Promise<OnlineKeys> {
  const { trustKeyFolder, snapshotKeyId, timestampKeyId, authorityHost } = settings;
  if (snapshotKeyId === undefined && timestampKeyId === undefined) {
    if (trustKeyFolder !== undefined) return openKeyFolder(trustKeyFolder);
    throw new Error('TRUST_KEY_FOLDER is missing, or TRUST_SNAPSHOT_KEY and TRUST_TIMESTAMP_KEY are');
  }
  // Nothing is asked for before all of it is named.
  const snapshotKey = needed('TRUST_SNAPSHOT_KEY', snapshotKeyId);
  const timestampKey = needed('TRUST_TIMESTAMP_KEY', timestampKeyId);
  const token = createWorkloadIdentity({
    ...{ ...ways, authorityHost, scope: 'https://vault.azure.net/.default' },
    tenantId: needed('AZURE_TENANT_ID', settings.tenantId),
    clientId: needed('AZURE_CLIENT_ID', settings.clientId),
    tokenFile: needed('AZURE_FEDERATED_TOKEN_FILE', settings.federatedTokenFile),
  });
  const open = (keyId: string) => openKeyVaultSigner({ ...ways, keyId, token });
  const [snapshot, timestamp] = await Promise.all([open(snapshotKey), open(timestampKey)]);
  return { snapshot, timestamp };
}

function needed(name: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`${name} is missing: keys in Key Vault need it`);
  return value;
}

/** Key files of this user alone, made if they are absent. Throws when others can read them. */
export function openKeyFolder(folder: string): OnlineKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const open = (role: string): Signer => {
    const path = join(folder, `${role}.pem`);
    try {
      writeKeyFile(path, generatePrivateKey(), null);
    } catch (error) {
      // It is there, perhaps because another replica was faster.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    return keySigner(readKeyFile(path, null));
  };
  return { snapshot: open('snapshot'), timestamp: open('timestamp') };
}
